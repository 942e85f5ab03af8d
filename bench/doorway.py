"""What `install(app)` adds to a request that has no tasks."""

from __future__ import annotations

from statistics import median

from bench.harness.figures import Figure, Series
from bench.harness.place import place
from bench.harness.processes import run_program
from bench.harness.rounds import Size, say


def measure(size: Size) -> list[Figure]:
    """Each round in a process of its own, in which the two apps are called in turns."""
    rounds = []
    for number in range(size.repeat):
        say(f"  round {number + 1} of {size.repeat}")
        with place() as here:
            rounds.append(run_program(here, "bench.programs.doorway", str(size.pick(60, 20))))
    stock = tuple(median(one["stock"]) for one in rounds)
    added = tuple(median(one["outlast"]) - beside for one, beside in zip(rounds, stock, strict=True))
    return [
        Figure(
            Series("`doorway`: added to a request without tasks", "µs", added),
            Series("the whole call, stock", "µs", stock),
        )
    ]
