"""What runner and child cost when there is nothing to do."""

from __future__ import annotations

import time

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import Place, place
from bench.harness.processes import cpu_seconds, resident_megabytes, serving, uvicorn
from bench.harness.rounds import Size, say

SETTLE = 3.0  # seconds between the last task and the first look


def measure(size: Size) -> list[Figure]:
    """One task brings them up; then nobody asks for anything."""
    with place() as here, serving(here, uvicorn("bench.programs.app:app")) as server:
        server.get("/add")
        here.drain()
        time.sleep(SETTLE)
        shares = tuple(_share_of_a_core(here, size, number) for number in range(min(size.repeat, 3)))
        memory = {kind: resident_megabytes(here.living(kind)[0]) for kind in ("runner", "child", "web")}
    return [
        Figure(
            Series("`idle`: CPU of runner and child", "% of a core", shares),
            None,
            (Aim("value", at_most=0.5),),
        ),
        Figure(Series("`idle`: RSS of the runner", "MB", (memory["runner"],)), None, (Aim("value", at_most=35),)),
        Figure(
            Series("`idle`: RSS of a child", "MB", (memory["child"],)),
            Series("the web worker", "MB", (memory["web"],)),
        ),
    ]


def _share_of_a_core(here: Place, size: Size, number: int) -> float:
    seconds = size.pick(20.0, 5.0)
    say(f"  round {number + 1}: {seconds:g} s")
    pids = here.living("runner") + here.living("child")
    before = sum(map(cpu_seconds, pids))
    time.sleep(seconds)
    return (sum(map(cpu_seconds, pids)) - before) / seconds * 100
