"""From the call of `enqueue` to the start of the function, when there is little to do."""

from __future__ import annotations

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import place
from bench.harness.processes import run_program
from bench.harness.rounds import Size, say

AIMS = {"p50": 3.0, "p99": 15.0}  # milliseconds


def measure(size: Size) -> list[Figure]:
    """20 tasks a second; beside it the two commits without which no durable queue can start a task."""
    rounds = []
    for number in range(size.repeat):
        say(f"  round {number + 1} of {size.repeat}")
        with place() as here:
            count = str(size.pick(200, 60))
            rounds.append(run_program(here, "bench.programs.pickup", str(here.folder), count))
    return [
        Figure(
            Series(f"`pickup`: enqueue to start, {name}", "ms", tuple(one["pickup"][index] for one in rounds)),
            Series("two bare commits", "ms", tuple(one["bare"][index] for one in rounds)),
            (Aim("value", at_most=AIMS[name]),),
        )
        for index, name in enumerate(AIMS)
    ]
