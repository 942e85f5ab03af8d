"""What it costs to start a task process: a fresh interpreter (spawn) beside a copy of a prepared one (fork)."""

from __future__ import annotations

from collections.abc import Mapping

from bench.harness.figures import Figure, Series
from bench.harness.place import place
from bench.harness.processes import run_program
from bench.harness.rounds import Size, interleaved

Rounds = list[dict[str, float]]
APPS = {"small": "0", "grown": "1"}
WAYS = [(start, spares) for spares in ("0", "1") for start in ("fork", "spawn")]


def measure(size: Size) -> list[Figure]:
    """A small app and one with more imports, models and endpoints; with a spare process that waits, and without."""
    found = interleaved(
        size.repeat,
        {
            name_of(app, start, spares): lambda app=app, way=(start, spares): measured(size, app, *way)  # type: ignore[misc]
            for app in APPS
            for start, spares in WAYS
        },
    )
    return [figure for app in APPS for figure in figures(app, found)]


def measured(size: Size, app: str, start: str, spares: str) -> dict[str, float]:
    """What the program says."""
    with place() as here:
        settings = {"OUTLAST_CHILD_START": start, "OUTLAST_SPARES": spares}
        variables = {"BENCH_FOLDER": str(here.folder), "BENCH_HEAVY": APPS[app], **settings}
        folder, count = str(here.folder), str(size.pick(5, 2))
        answer: dict[str, float] = run_program(here, "bench.programs.alone", folder, count, **variables)
        return answer


def name_of(app: str, start: str, spares: str) -> str:
    """Of one way to measure."""
    return f"{app} app, {start}, {spares} spare"


def figures(app: str, found: Mapping[str, Rounds]) -> list[Figure]:
    """Copies beside fresh interpreters."""
    fork, spawn = found[name_of(app, "fork", "0")], found[name_of(app, "spawn", "0")]
    spared_fork, spared_spawn = found[name_of(app, "fork", "1")], found[name_of(app, "spawn", "1")]
    return [
        both(f"{app} app, until a new process is up", "ms", "up", fork, spawn),
        both(f"{app} app, enqueue to start alone, no spare", "ms", "alone", fork, spawn),
        both(f"{app} app, enqueue to start alone, a spare waits", "ms", "alone", spared_fork, spared_spawn),
        both(f"{app} app, 8 at once alone, no spare", "tasks/s", "burst", fork, spawn),
        both(f"{app} app, 8 at once alone, a spare waits", "tasks/s", "burst", spared_fork, spared_spawn),
        both(f"{app} app, private memory", "MB", "private", fork, spawn),
        both(f"{app} app, PSS", "MB", "share", fork, spawn, note=f"the process that is copied: {template(fork)}"),
    ]


def both(what: str, unit: str, name: str, fork: Rounds, spawn: Rounds, note: str = "") -> Figure:
    """One figure of both."""
    return Figure(
        Series(f"`startup`: {what}, fork", unit, values(fork, name, unit)),
        Series("spawn", unit, values(spawn, name, unit)),
        note=note,
    )


def values(rounds: Rounds, name: str, unit: str) -> tuple[float, ...]:
    """One number per round."""
    return tuple(one[name] * (1000 if unit == "ms" else 1) for one in rounds)


def template(rounds: Rounds) -> Series:
    """Memory of the process that is copied."""
    return Series("", "MB PSS", values(rounds, "template", "MB"))
