"""Notice that this child's event loop is blocked, and let go of the tasks that it has not begun."""

from __future__ import annotations

import asyncio
import threading
import time

from outlast.child.lanes import Lanes
from outlast.child.outbox import Outbox

BEAT = 0.25  # seconds between two beats of a busy loop


class Watch:
    """The loop beats while attempts are here; a thread of its own sees when it does not, and tells the runner."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lanes: Lanes, outbox: Outbox, stall_after: float) -> None:
        self._loop = loop
        self._lanes = lanes
        self._outbox = outbox
        self._stall_after = stall_after
        self._has_work = threading.Event()
        self._beaten_at = time.monotonic()
        threading.Thread(target=self._run, name="outlast-watch", daemon=True).start()

    def look(self) -> None:
        """There is work: watch the loop from now on. Called from any thread."""
        if not self._has_work.is_set():
            self._beaten_at = time.monotonic()
            self._has_work.set()
            self._loop.call_soon_threadsafe(self._beat)

    def _beat(self) -> None:
        self._beaten_at = time.monotonic()
        if self._lanes.is_busy:
            self._loop.call_later(BEAT, self._beat)
            return
        self._has_work.clear()
        if self._lanes.is_busy:  # work came in between the two lines above
            self.look()

    def _run(self) -> None:
        while self._has_work.wait():
            time.sleep(BEAT)
            if time.monotonic() - self._beaten_at > self._stall_after:
                self._report_stall()
            else:
                self._outbox.send({"type": "alive"})

    def _report_stall(self) -> None:
        """Until the loop beats again: say so, and hand back whatever comes in meanwhile."""
        began = self._beaten_at
        while self._beaten_at == began:
            function, code = self._lanes.on_the_loop_now()
            self._outbox.send(
                {
                    "type": "blocked",
                    "seconds": time.monotonic() - began,
                    "unstarted": self._lanes.hand_back(),
                    "function": function,
                    "code": code,
                }
            )
            time.sleep(BEAT)
        self._outbox.send({"type": "free", "seconds": self._beaten_at - began})
