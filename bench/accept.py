"""Requests per second of an endpoint with one task: stored by outlast, beside Starlette's own in memory."""

from __future__ import annotations

from typing import Any

from bench.harness.figures import Aim, Figure, Series, cpu_note
from bench.harness.place import place
from bench.harness.processes import Server, cpu_by_kind, serving, uvicorn
from bench.harness.rounds import Size, interleaved

CLIENTS = 32


def measure(size: Size) -> list[Figure]:
    """Both servers are up all the time; only one of them is asked at a time."""
    seconds = str(size.pick(8.0, 2.0))
    app = uvicorn("bench.programs.app:app")
    with (
        place() as here,
        place() as there,
        serving(here, app, BENCH_OUTLAST="1") as outlast,
        serving(there, app, BENCH_OUTLAST="0") as stock,
    ):
        warm_up(outlast)
        _load(stock, "1")
        measures = {"outlast": lambda: _load(outlast, seconds), "stock": lambda: _load(stock, seconds)}
        found = interleaved(size.repeat, measures)
    return _figures(found)


def warm_up(server: Server) -> None:
    """The first task starts the runner and a child: wait until that has finished it, then some more."""
    server.get("/add")
    server.place.drain()
    _load(server, "1")


def _load(server: Server, seconds: str) -> dict[str, Any]:
    """Requests for a while; the tasks that are left are then finished, so that they burden no other round."""
    before = cpu_by_kind(server.place, server.pid)
    report = server.load("/add", "--seconds", seconds, "--connections", str(CLIENTS))
    if report["failures"]:
        raise RuntimeError(f"{report['failures']} requests failed")
    if server.place.journal.exists():
        server.place.drain()
    after = cpu_by_kind(server.place, server.pid)
    requests = report["per_second"] * float(seconds) / 1e6
    return report | {"cpu": {kind: (after[kind] - before[kind]) / requests for kind in before}}


def _figures(found: dict[str, list[dict[str, Any]]]) -> list[Figure]:
    def series(side: str, key: str, what: str, unit: str) -> Series:
        return Series(what, unit, tuple(one[key] for one in found[side]))

    cpu = "; ".join(f"{side}: {cpu_note('request', [one['cpu'] for one in found[side]])}" for side in found)
    asked = f"`accept`: requests with one durable task, {CLIENTS} clients"
    rows = (
        ("per_second", asked, "requests/s"),
        ("p50", "`accept`: p50", "ms"),
        ("p99", "`accept`: p99", "ms"),
    )
    return [
        Figure(
            series("outlast", key, what, unit),
            series("stock", key, "stock, in memory", unit),
            (Aim("ratio", at_least=0.6),) if key == "per_second" else (),
            cpu if key == "per_second" else "",
        )
        for key, what, unit in rows
    ]
