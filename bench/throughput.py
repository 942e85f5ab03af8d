"""No-op tasks per second, from the first submit to the last end in the journal, beside a bare loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.harness.bare import bare_sqlite
from bench.harness.figures import Aim, Figure, Series, cpu_note
from bench.harness.place import place
from bench.harness.processes import run_program
from bench.harness.rounds import Size, interleaved


@dataclass(frozen=True, slots=True)
class Run:
    """`cpu` is in microseconds per task, by kind of process."""

    per_second: float
    cpu: Mapping[str, float] = field(default_factory=dict)


def measure(size: Size) -> list[Figure]:
    """Outlast and the bare loop take turns, each on a new file."""
    count = size.pick(30_000, 5_000)
    measures = {"outlast": lambda: _outlast(count), "bare": lambda: _bare(count)}
    found = interleaved(size.repeat, measures)
    figures = _figures(found)
    if size.with_peers:
        from bench.peers import compared

        figures += compared(size, figures[0].measured)
    return figures


def _outlast(count: int) -> Run:
    """One process submits, a runner moves, a child runs."""
    with place() as here:
        report = run_program(here, "bench.programs.enqueue", str(here.folder), str(count))
        cpu = {kind: seconds / count * 1e6 for kind, seconds in report["cpu"].items()}
        return Run(count / (here.last_end() - report["began"]), cpu)


def _bare(count: int) -> Run:
    with place() as here, bare_sqlite(here.folder / "bare.db") as bare:
        return Run(bare.tasks_per_second(count))


def _figures(found: dict[str, list[Run]]) -> list[Figure]:
    rates = {side: tuple(run.per_second for run in runs) for side, runs in found.items()}
    measured = Series("`throughput`: no-op tasks end to end", "tasks/s", rates["outlast"])
    cpu = cpu_note("task", [run.cpu for run in found["outlast"]])
    return [
        Figure(measured, None, (Aim("value", at_least=10_000),), cpu),
        Figure(measured, Series("bare loop", "tasks/s", rates["bare"]), (Aim("ratio", at_least=0.4),)),
    ]
