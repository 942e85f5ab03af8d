"""Notice that this child's event loop is blocked, say who does it, and let go of the tasks that it has not begun."""

from __future__ import annotations

import os
import threading
import time
from contextvars import Context
from dataclasses import asdict
from typing import Any

from outlast.child.lanes import Lanes
from outlast.child.outbox import Outbox
from outlast.events.words import TASK_PROCESS
from outlast.tasks.attempt import running_attempt
from outlast.watch.flights import InFlight
from outlast.watch.incident import Cause
from outlast.watch.reporter import incident_of_stall, sentence_of
from outlast.watch.stall import Stall
from outlast.watch.watch import Duty, Watch

SAY_AGAIN = 0.25  # seconds between two words of one stall: what comes in meanwhile is handed back
BLAMED = (Cause.BLOCKED, Cause.HELD)  # a process that stood still may have been stopped from outside


class ChildWatch:
    """Watches while attempts are here. Made in the loop's thread."""

    def __init__(self, watch: Watch, lanes: Lanes, outbox: Outbox, stall_after: float) -> None:
        self._watch = watch
        self._lanes = lanes
        self._outbox = outbox
        self._has_work = threading.Event()
        self._has_work.set()
        self._next_word = 0.0
        watch.begin(Duty(stall_after, self._tell, self._flight_of, self._beaten, self._looked))

    def look(self) -> None:
        """There is work: watch the loop from now on. Called from any thread."""
        if not self._has_work.is_set():
            self._has_work.set()
            self._watch.wake()

    def again(self) -> None:
        """The loop may have lost its next beat: begin anew. On the loop's thread."""
        self._watch.rest()
        self._watch.wake()

    def _beaten(self) -> None:
        if self._lanes.is_busy:
            self._outbox.send({"type": "alive"})
            return
        self._watch.rest()
        self._has_work.clear()
        if self._lanes.is_busy:  # work came in between the two lines above
            self.look()

    def _looked(self) -> None:
        """Blocked or not, the runner shall hear that this process is alive."""
        self._outbox.send({"type": "alive"})

    def _tell(self, stall: Stall) -> None:
        if stall.is_over:
            incident = incident_of_stall(TASK_PROCESS, os.getpid(), stall)
            self._outbox.send({"type": "free", "seconds": stall.seconds, "incident": asdict(incident)})
        elif self._is_time():
            self._outbox.send({"type": "blocked", "seconds": stall.seconds, **self._about(stall)})

    def _about(self, stall: Stall) -> dict[str, Any]:
        culprit = stall.flight if stall.cause in BLAMED else None
        return {
            "cause": stall.cause,
            "sentence": sentence_of(stall, TASK_PROCESS, os.getpid()),
            "unstarted": self._lanes.hand_back(),
            "task": culprit.task if culprit else 0,
            "function": culprit.name if culprit else "",
            "code": self._lanes.functions.code_of(culprit.name) if culprit else "",
        }

    def _is_time(self) -> bool:
        now = time.monotonic()
        if now < self._next_word:
            return False
        self._next_word = now + SAY_AGAIN
        return True

    def _flight_of(self, context: Context) -> InFlight | None:
        """The attempt that code in this context belongs to, also of a task or callback that it has made."""
        attempt = context.get(running_attempt)
        run = self._lanes.here.get(attempt) if attempt is not None else None
        return run.flight if run is not None else None
