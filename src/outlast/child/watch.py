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
        self._step: asyncio.Handle | None = None
        self._step_seen_at = 0.0
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
            silent = time.monotonic() - self._beaten_at
            if silent > 2 * BEAT:
                self._see_step()
            if silent > self._stall_after:
                self._report_stall()
            else:
                self._outbox.send({"type": "alive"})

    def _report_stall(self) -> None:
        """Until the loop beats again: say so, and hand back whatever comes in meanwhile."""
        began = self._beaten_at
        while self._beaten_at == began:
            attempt = self._blocker()
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
            self._see_step()
        self._outbox.send({"type": "free", "seconds": self._beaten_at - began})

    def _see_step(self) -> None:
        step = step_of_loop(self._loop_thread)
        if step is not self._step:
            self._step, self._step_seen_at = step, time.monotonic()

    def _blocker(self) -> Attempt:
        """The attempt that the loop has been in for most of the time. A loop with much to do is nobody's fault.

        Seen once would not do: when the one that blocked has ended, many others go on before the loop beats again.
        """
        if self._step is None or time.monotonic() - self._step_seen_at < self._stall_after / 3:
            return Attempt()
        # the context of the step tells it also for a task or callback that the attempt has made, and on Python 3.11
        return self._step._context.get(running_attempt) or Attempt()  # type: ignore[attr-defined]


def step_of_loop(thread: int) -> asyncio.Handle | None:
    """What the event loop in `thread` runs now; None when it waits or runs nothing of anybody's."""
    frame = sys._current_frames().get(thread)
    while frame is not None and frame.f_code is not _STEP:
        frame = frame.f_back
    return frame.f_locals["self"] if frame is not None else None
