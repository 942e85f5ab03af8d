"""Tells the watch of a web worker of stalls, as its beat does, and prints how its memory grows (bytes)."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path

from outlast.events.words import WEB_WORKER
from outlast.system.memory import resident_bytes
from outlast.watch.incident import Cause
from outlast.watch.reporter import Reporter
from outlast.watch.site import Site
from outlast.watch.stall import Stall
from outlast.watch.watch import Duty, Watch

CULPRITS = 5000
HOUR = 3600.0
SETTLED = 10_000  # stalls, after which nothing is new any more


async def main(folder: str, count: int) -> None:
    """`count` of them by 5 000 culprits, each in a request of its own. The log gets its lines."""
    logging.basicConfig(filename=os.devnull)
    watch = Watch(WEB_WORKER)
    watch.keep_box(Path(folder) / "stalls.box")
    reporter = Reporter(WEB_WORKER, os.getpid(), lambda _: None)
    watch.begin(Duty(HOUR, reporter.tell, lambda _: None))  # so that it sees none itself: this blocks the loop
    before = 0
    for number in range(count):
        if number == SETTLED:
            before = resident_bytes(os.getpid())
        with watch.flights.flying(f"GET /{number}"):
            stall = Stall(Cause.BLOCKED, 1.5, Site(f"send_{number % CULPRITS}", "mail.py", 8, "time.sleep"), None, "")
            watch.stalled(stall)
            watch.stalled(replace(stall, is_over=True))
    print(json.dumps(resident_bytes(os.getpid()) - before))
    watch.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
