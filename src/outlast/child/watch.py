"""Notice that this child's event loop is blocked, and let go of the tasks that it has not begun."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

from outlast.attempt import Attempt, running_attempt
from outlast.child.lanes import Lanes
from outlast.child.outbox import Outbox

BEAT = 0.25  # seconds between two beats of a busy loop
_STEP = asyncio.Handle._run.__code__


class Watch:
    """The loop beats while attempts are here; a thread of its own sees when it does not, and tells the runner.

    Made in the loop's thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, lanes: Lanes, outbox: Outbox, stall_after: float) -> None:
        self._loop = loop
        self._loop_thread = threading.get_ident()
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
            attempt = attempt_in_step(self._loop_thread) or Attempt()
            self._outbox.send(
                {
                    "type": "blocked",
                    "seconds": time.monotonic() - began,
                    "unstarted": self._lanes.hand_back(),
                    "task": attempt.task,
                    "function": attempt.function,
                    "code": self._lanes.code_of(attempt.function),
                }
            )
            time.sleep(BEAT)
        self._outbox.send({"type": "free", "seconds": self._beaten_at - began})


def attempt_in_step(thread: int) -> Attempt | None:
    """The attempt whose code the event loop in `thread` runs now, also in a task or callback that it has made."""
    frame = sys._current_frames().get(thread)
    while frame is not None and frame.f_code is not _STEP:
        frame = frame.f_back
    if frame is None:
        return None
    handle = frame.f_locals["self"]  # its context is that of the step, also on Python 3.11, whose tasks do not say
    return handle._context.get(running_attempt)  # type: ignore[no-any-return]
