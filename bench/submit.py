"""How long a caller waits for a task to be stored, beside one bare commit of SQLite."""

from __future__ import annotations

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import place
from bench.harness.processes import run_program
from bench.harness.rounds import Size, say


def measure(size: Size) -> list[Figure]:
    """Each round in a process of its own, where the two take turns by fifties."""
    rounds = []
    for number in range(size.repeat):
        say(f"  round {number + 1} of {size.repeat}")
        with place() as here:
            count = str(size.pick(1000, 200))
            rounds.append(run_program(here, "bench.programs.submit", str(here.folder), count, OUTLAST_RUNNER="off"))
    return [
        Figure(
            Series("`submit`: await enqueue, p50", "ms", tuple(one["submit"] for one in rounds)),
            Series("bare commit", "ms", tuple(one["commit"] for one in rounds)),
            (Aim("ratio", at_most=1.5),),
        )
    ]
