"""What the watch of a web worker costs: one that is busy, and one that has nothing to do."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from typing import Any

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import place
from bench.harness.processes import Server, cpu_seconds, serving, uvicorn
from bench.harness.rounds import Size, interleaved, say

CLIENTS = 32
SIDES = {"with": "true", "without": "false"}
TURNS = 4  # short turns a round: the machine drifts by more than what is measured


def measure(size: Size) -> list[Figure]:
    """Both servers are up all the time; only one of them is asked at a time."""
    with ExitStack() as stack:
        servers = {side: _server(stack, watch) for side, watch in SIDES.items()}
        for server in servers.values():
            _load(server, 1.0)
        seconds = size.pick(3.0, 1.0)
        measures = {side: partial(_load, server, seconds) for side, server in servers.items()}
        found = interleaved(size.repeat * TURNS, measures)
        rests = {side: partial(_idle, server, size) for side, server in servers.items()}
        idle = interleaved(min(size.repeat, 3), rests)
    return [*_busy(found), _resting(idle)]


def _server(stack: ExitStack, watch: str) -> Server:
    here = stack.enter_context(place())
    return stack.enter_context(serving(here, uvicorn("bench.programs.app:app"), OUTLAST_WATCH=watch))


def _load(server: Server, seconds: float) -> dict[str, Any]:
    before = cpu_seconds(server.pid)
    report = server.load("/", "--seconds", str(seconds), "--connections", str(CLIENTS))
    if report["failures"]:
        raise RuntimeError(f"{report['failures']} requests failed")
    return report | {"cpu": (cpu_seconds(server.pid) - before) / (report["per_second"] * seconds) * 1e6}


def _idle(server: Server, size: Size) -> float:
    """Per cent of a core."""
    seconds = size.pick(20.0, 5.0)
    say(f"  {seconds:g} s of nothing")
    before = cpu_seconds(server.pid)
    time.sleep(seconds)
    return (cpu_seconds(server.pid) - before) / seconds * 100


def _busy(found: dict[str, list[dict[str, Any]]]) -> list[Figure]:
    def series(side: str, key: str, what: str, unit: str) -> Series:
        return Series(what, unit, tuple(one[key] for one in found[side]))

    return [
        Figure(
            series("with", "per_second", f"`watch`: plain requests, {CLIENTS} clients", "requests/s"),
            series("without", "per_second", "OUTLAST_WATCH=false", "requests/s"),
            (Aim("ratio", at_least=0.99),),
        ),
        Figure(
            series("with", "cpu", "`watch`: CPU of the web worker", "µs a request"),
            series("without", "cpu", "OUTLAST_WATCH=false", "µs a request"),
            (Aim("ratio", at_most=1.01),),
        ),
    ]


def _resting(found: dict[str, list[float]]) -> Figure:
    return Figure(
        Series("`watch`: CPU of a web worker without requests", "% of a core", tuple(found["with"])),
        Series("OUTLAST_WATCH=false", "% of a core", tuple(found["without"])),
        (Aim("difference", at_most=0.1),),
    )
