"""How long a turn takes of a runner that takes tasks from a million that wait, of mixed priorities and with keys."""

from __future__ import annotations

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import place
from bench.harness.processes import run_program
from bench.harness.rounds import Size, interleaved

FEW = 6_000  # tasks: as many as are taken, and a few
TENANTS = 100
_TWICE = Aim("ratio", at_most=2)


def measure(size: Size) -> list[Figure]:
    """Both take turns, each on a new file."""
    rows = size.pick(1_000_000, 50_000)
    found = interleaved(size.repeat, {"many": lambda: _turn(rows), "few": lambda: _turn(FEW)})
    many = f"{rows:,}".replace(",", " ")
    measured = Series(f"`claim`: a turn that takes 100 tasks of {many} that wait", "ms", tuple(found["many"]))
    beside = Series(f"of {FEW} that wait", "ms", tuple(found["few"]))
    return [Figure(measured, beside, (_TWICE,)), *_limited(size)]


def _limited(size: Size) -> list[Figure]:
    """What waits behind limits, of one queue and of many tenants that take turns, beside what waits behind none."""
    rows = size.pick(100_000, 10_000)
    found = interleaved(
        size.repeat,
        {"none": lambda: _turn(rows), "queue": lambda: _turn(rows, 1), "tenants": lambda: _turn(rows, TENANTS)},
    )
    beside = Series("behind no limit", "ms", tuple(found["none"]))
    what = {"queue": "one queue", "tenants": f"{TENANTS} tenants"}
    return [
        Figure(Series(f"`claim`: the same behind limits of {of}", "ms", tuple(found[name])), beside, (_TWICE,))
        for name, of in what.items()
    ]


def _turn(rows: int, lines: int = 0) -> float:
    with place() as here:
        return float(run_program(here, "bench.programs.claim", str(here.folder), str(rows), str(lines))["turn"])
