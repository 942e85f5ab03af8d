"""No-op tasks per second of one response, where each waits for the one before, beside where none does."""

from __future__ import annotations

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import place
from bench.harness.processes import run_program
from bench.harness.rounds import Size, interleaved


def measure(size: Size) -> list[Figure]:
    """Both take turns, each on a new file."""
    count = size.pick(10_000, 1_000)
    found = interleaved(
        size.repeat, {"one by one": lambda: _rate(count, ""), "at once": lambda: _rate(count, "parallel=true")}
    )
    measured = Series("`followers`: no-op tasks of one response", "tasks/s", tuple(found["one by one"]))
    beside = Series("with `parallel=True`", "tasks/s", tuple(found["at once"]))
    return [Figure(measured, beside, (Aim("value", at_least=1_000),))]


def _rate(count: int, query: str) -> float:
    with place() as here:
        began = run_program(here, "bench.programs.followers", str(here.folder), str(count), query)["began"]
        return count / (here.last_end() - float(began))
