"""For how long pruning holds the write lock, in a journal that keeps many finished tasks."""

from __future__ import annotations

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import place
from bench.harness.processes import run_program
from bench.harness.rounds import Size, say


def measure(size: Size) -> list[Figure]:
    """Each round with a journal of its own, in a process of its own."""
    rounds, rows = [], size.rows or size.pick(500_000, 50_000)
    for number in range(size.repeat):
        say(f"  round {number + 1} of {size.repeat}")
        with place() as here:
            rounds.append(run_program(here, "bench.programs.prune", str(here.folder), str(rows)))
    kept = f"{rows:,} finished tasks".replace(",", " ")
    return [
        Figure(
            Series(f"`prune`: longest slice under the write lock, {kept}", "ms", _of(rounds, "slice")),
            aims=(Aim("value", at_most=5),),
        ),
        Figure(Series("`prune`: the most that one was on a processor", "ms", _of(rounds, "at_work"))),
        Figure(
            Series(f"`prune`: a look in vain under the write lock, {kept}", "ms", _of(rounds, "vain")),
            aims=(Aim("value", at_most=5),),
        ),
        Figure(Series("`prune`: tasks in a slice", "", _of(rounds, "tasks"))),
        Figure(Series("`prune`: the count outside of the lock, keep_done_count=100 000", "ms", _of(rounds, "count"))),
        Figure(
            Series("`prune`: settle a task with the index", "µs", _of(rounds, "with_index")),
            Series("without", "µs", _of(rounds, "without_index")),
        ),
        Figure(Series(f"`prune`: the index made at the first start, {kept}", "s", _of(rounds, "made"))),
    ]


def _of(rounds: list[dict[str, float]], name: str) -> tuple[float, ...]:
    return tuple(one[name] for one in rounds)
