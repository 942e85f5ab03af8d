"""Tasks of which very many have their time in the same second: how fast they run, and who waits meanwhile."""

from __future__ import annotations

from typing import Any

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import place
from bench.harness.processes import run_program
from bench.harness.rounds import Size, interleaved


def measure(size: Size) -> list[Figure]:
    """Both take turns, each on a new file."""
    count = size.pick(100_000, 5_000)
    ahead = str(size.pick(60.0, 10.0))
    found = interleaved(size.repeat, {way: lambda way=way: _round(count, ahead, way) for way in ("due", "ready")})  # type: ignore[misc]
    many = f"{count:,} no-op tasks".replace(",", " ")
    return [
        Figure(
            Series(f"`due`: {many} that have their time in one second", "tasks/s", _all(found["due"], "rate")),
            Series("that are released at once", "tasks/s", _all(found["ready"], "rate")),
            (Aim("ratio", at_least=0.8),),
        ),
        *(
            Figure(
                Series(f"`due`: one more `enqueue` meanwhile, {key}", "ms", _all(found["due"], key)),
                Series("the same", "ms", _all(found["ready"], key)),
            )
            for key in ("p99", "longest")
        ),
    ]


def _round(count: int, ahead: str, way: str) -> dict[str, float]:
    with place() as here:
        report: dict[str, Any] = run_program(
            here, "bench.programs.due", str(here.folder), str(count), ahead, way, OUTLAST_KEEP_DONE_COUNT="1000000"
        )
        return report | {"rate": count / (here.last_end() - float(report["began"]))}


def _all(rounds: list[dict[str, float]], key: str) -> tuple[float, ...]:
    return tuple(one[key] for one in rounds)
