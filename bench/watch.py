"""What the watch of a web worker costs: one that is busy, and one that has nothing to do."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from typing import Any

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import place
from bench.harness.processes import Server, cpu_seconds, run_program, serving, uvicorn
from bench.harness.rounds import Size, interleaved, say

CLIENTS = 32
SIDES = {"with": "true", "without": "false"}
SAME, VARIED = "/", "/plain/{}"
PAIRS = 2  # of servers a round: two processes that run the same code differ by up to 2 %
TURNS = 15  # short turns a pair: the machine drifts by more than what is measured

Found = dict[str, list[Any]]


def measure(size: Size) -> list[Figure]:
    """Each pair of servers stands beside each other, with and without; only one of them is asked at a time."""
    same, varied, idle = _nothing(), _nothing(), _nothing()
    for number in range(size.repeat * PAIRS):
        say(f"  pair {number + 1} of {size.repeat * PAIRS}")
        _pair(size, same, varied, idle)
    grown = _growth(size.pick(1_000_000, 50_000))
    return [*_busy(same, "plain requests", 1.01), *_busy(varied, "each with another path"), _resting(idle), grown]


def _nothing() -> Found:
    return {side: [] for side in SIDES}


def _pair(size: Size, same: Found, varied: Found, idle: Found) -> None:
    seconds = size.pick(0.5, 0.2)
    with ExitStack() as stack:
        servers = {side: _server(stack, watch) for side, watch in SIDES.items()}
        for found, path in ((same, SAME), (varied, VARIED)):
            for server in servers.values():
                _load(server, 1.0, path)
            loads = {side: partial(_load, server, seconds, path) for side, server in servers.items()}
            for side, reports in interleaved(TURNS, loads).items():
                found[side] += reports
        for side, share in _idle(servers, size.pick(20.0, 5.0)).items():
            idle[side].append(share)


def _server(stack: ExitStack, watch: str) -> Server:
    here = stack.enter_context(place())
    return stack.enter_context(serving(here, uvicorn("bench.programs.app:app"), OUTLAST_WATCH=watch))


def _load(server: Server, seconds: float, path: str) -> dict[str, Any]:
    before = cpu_seconds(server.pid)
    report = server.load(path, "--seconds", str(seconds), "--connections", str(CLIENTS))
    if report["failures"]:
        raise RuntimeError(f"{report['failures']} requests failed")
    return report | {"cpu": (cpu_seconds(server.pid) - before) / (report["per_second"] * seconds) * 1e6}


def _idle(servers: dict[str, Server], seconds: float) -> dict[str, float]:
    """Per cent of a core, all in the same seconds."""
    say(f"  {seconds:g} s of nothing")
    before = {side: cpu_seconds(server.pid) for side, server in servers.items()}
    time.sleep(seconds)
    return {side: (cpu_seconds(server.pid) - before[side]) / seconds * 100 for side, server in servers.items()}


def _growth(stalls: int) -> Figure:
    say(f"  {stalls} stalls")
    with place() as here:
        grown = run_program(here, "bench.programs.stalls", str(here.folder), str(stalls)) / 2**20
    what = f"`watch`: growth of memory from the 10 000th stall to the {stalls:_}th".replace("_", " ")
    return Figure(Series(what, "MiB", (grown,)), aims=(Aim("value", at_most=1.0),))


def _busy(found: Found, what: str, at_most: float | None = None) -> list[Figure]:
    def series(side: str, key: str, what: str, unit: str) -> Series:
        return Series(what, unit, tuple(one[key] for one in found[side]))

    return [
        Figure(
            series("with", "per_second", f"`watch`: {what}, {CLIENTS} clients", "requests/s"),
            series("without", "per_second", "OUTLAST_WATCH=false", "requests/s"),
            (Aim("ratio", at_least=2 - at_most),) if at_most else (),
        ),
        Figure(
            series("with", "cpu", f"`watch`: {what}, CPU of the web worker", "µs a request"),
            series("without", "cpu", "OUTLAST_WATCH=false", "µs a request"),
            (Aim("ratio", at_most=at_most),) if at_most else (),
        ),
    ]


def _resting(found: Found) -> Figure:
    return Figure(
        Series("`watch`: CPU of a web worker without requests", "% of a core", tuple(found["with"])),
        Series("OUTLAST_WATCH=false", "% of a core", tuple(found["without"])),
        (Aim("difference", at_most=0.1),),
    )
