"""An event loop that beats, and a thread that looks what it does when it does not.

The loop winds a dead man's timer four times a second. A thread is parked at the timer and never wakes while all is
well, so that watching costs a healthy loop nothing that can be measured: a thread that looks ten times a second costs
it 4 to 6 % (measured).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from outlast.system.threads import OwnThread, started
from outlast.watch.lookout import Lookout, Witness
from outlast.watch.pulse import Pulse
from outlast.watch.sample import Identify

EVERY = 0.25  # seconds between two beats, at most a quarter of `stall_after`


class Beat:
    """Made and started on the loop that it watches. `identify` tells whose code runs in a context.

    every: seconds between two beats, at most.
    """

    def __init__(self, stall_after: float, witness: Witness, identify: Identify, every: float = EVERY) -> None:
        self._loop = asyncio.get_running_loop()
        self._every = min(every, stall_after / 4)
        self._witness = witness
        self._pulse = Pulse(stall_after)
        self._next: asyncio.TimerHandle | None = None
        self._thread = OwnThread("outlast-watch", Lookout(self._pulse, witness, identify, self._every).watch)

    @property
    def lag(self) -> float:
        """By how many seconds the last beat came too late."""
        return max(0.0, self._pulse.heard.after - self._every)

    def start(self) -> None:
        """Beat from now on. Where the system gives no thread to watch with, it is asked again at each beat."""
        started(self._thread)
        self.resume()

    def resume(self) -> None:
        """Beat again after a pause. From any thread: the loop may be blocked by now."""
        self._pulse.is_paused = False
        self._pulse.begin_anew()
        self._loop.call_soon_threadsafe(self._beat)

    def begin_anew(self) -> None:
        """Count no silence before this moment. On the loop."""
        self._pulse.begin_anew()

    def pause(self) -> None:
        """Stop beating, until `resume`. On the loop, also in the middle of a beat."""
        if self._next is not None:
            self._next.cancel()
        self._pulse.pause()

    def close(self) -> None:
        """Stop beating for good; the thread ends. From any thread."""
        if self._loop.is_running() and asyncio._get_running_loop() is not self._loop:
            with suppress(RuntimeError):  # it has been closed by now
                self._loop.call_soon_threadsafe(self._close)
                return
        self._close()

    def _close(self) -> None:
        self.pause()
        self._pulse.end()

    def _beat(self) -> None:
        if self._pulse.is_closed:  # it was asked for just before
            return
        if not self._thread.is_alive:
            started(self._thread)
        now = time.monotonic()
        self._pulse.beat(now)
        self._witness.beat(now)
        if not self._pulse.is_paused:
            self._next = self._loop.call_later(self._every, self._beat)
