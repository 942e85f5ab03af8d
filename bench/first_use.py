"""How late an event loop is at most while functions of a large project are used for the first time."""

from __future__ import annotations

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import place
from bench.harness.processes import run_program
from bench.harness.rounds import Size, say


def measure(size: Size) -> list[Figure]:
    """Each round in a process of its own, with a project of its own."""
    rounds, modules = [], size.pick(300, 12)
    for number in range(size.repeat):
        say(f"  round {number + 1} of {size.repeat}")
        with place() as here:
            rounds.append(run_program(here, "bench.programs.first_use", str(here.folder), str(modules)))
    return [
        Figure(
            Series(f"`first_use`: longest delay of the loop, {modules} modules", "ms", _of(rounds, "late")),
            Series("nothing is used", "ms", _of(rounds, "idle")),
            (Aim("value", at_most=5), Aim("difference", at_most=5)),
        ),
        Figure(Series("`first_use`: added to the first request, which waits", "ms", _of(rounds, "first"))),
        Figure(Series("`first_use`: added to the slowest of the others", "ms", _of(rounds, "later"))),
    ]


def _of(rounds: list[dict[str, float]], name: str) -> tuple[float, ...]:
    return tuple(one[name] for one in rounds)
