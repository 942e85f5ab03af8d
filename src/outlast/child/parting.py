"""How a task process leaves: when what it has is done, or when its time is over, and then in order all the same.

What has to be left behind is left behind: `finally` of coroutines, the end of the app's lifespan, what is registered
with `atexit` (telemetry that was not sent yet). Only a thread that does not listen is not waited for.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import time
from contextlib import suppress
from typing import NoReturn

from outlast.child.lanes import Lanes

LISTENING = 1.5  # seconds for what runs in a thread to find out that it shall stop
SHARE = 0.75  # of the time there is, for what runs; the rest is for the lifespan and the exit
LOOK = 0.02  # seconds
CANCELLING = 0.2  # seconds for what the app itself has left on the loop


class Parting:
    """Changed on the loop only. `grace`: seconds there are when the time of this process is over."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._asked = asyncio.Event()
        self._hurried_at: float | None = None

    @property
    def is_asked(self) -> bool:
        """Whether this process is to leave."""
        return self._asked.is_set()

    @property
    def is_hurried(self) -> bool:
        """Whether the time of this process is over."""
        return self._hurried_at is not None

    def ask(self) -> None:
        """Leave as soon as nothing runs here."""
        self._asked.set()

    def hurry(self) -> None:
        """Leave: what runs here has been told to stop."""
        self._hurried_at = time.monotonic()
        self._asked.set()

    async def wait_for(self, lanes: Lanes) -> None:
        """Until it is time to leave."""
        await self._asked.wait()
        while lanes.is_busy and not self._is_over(lanes):
            await asyncio.sleep(LOOK)

    def _is_over(self, lanes: Lanes) -> bool:
        if self._hurried_at is None:
            return False
        most = self._grace * SHARE
        return time.monotonic() - self._hurried_at > (most if lanes.has_coroutines else min(LISTENING, most))


async def cancel_the_rest() -> None:
    """What the app itself has left on the loop."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for one in rest:
        one.cancel()
    if rest:
        await asyncio.wait(rest, timeout=CANCELLING)


def exit_at_once() -> NoReturn:
    """Do what was to be done at the exit, wait for no thread. In the main thread, whose loop has ended."""
    with suppress(SystemExit):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # full, or closed by user code
            stream.flush()
    os._exit(0)
