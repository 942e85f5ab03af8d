"""How long the server takes for each page of the dashboard, with a journal that has many tasks."""

from __future__ import annotations

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import place
from bench.harness.processes import run_program
from bench.harness.rounds import Size, say


def measure(size: Size) -> list[Figure]:
    """Each round with a journal of its own, in a process of its own."""
    rounds, rows = [], size.rows or size.pick(1_000_000, 50_000)
    for number in range(size.repeat):
        say(f"  round {number + 1} of {size.repeat}")
        with place() as here:
            rounds.append(run_program(here, "bench.programs.board", str(here.folder), str(rows)))
    kept = f"{rows:,} finished tasks".replace(",", " ")
    return [
        Figure(Series(f"`board`: {name}, {kept}", "ms", _of(rounds, name)), aims=(Aim("value", at_most=50),))
        for name in rounds[0]
    ]


def _of(rounds: list[dict[str, float]], name: str) -> tuple[float, ...]:
    return tuple(one[name] for one in rounds)
