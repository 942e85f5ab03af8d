"""Task processes that cannot start: that is said once, and it is tried again, after a longer pause each time."""

from __future__ import annotations

import logging
import time

from outlast import events
from outlast.errors import WorkerRefused
from outlast.incidents import TASK_PROCESS
from outlast.runner.ledger import Ledger
from outlast.watch.autopsy import incident_of_start

log = logging.getLogger("outlast")
LONGEST_BACK_OFF = 60.0  # seconds between tries to start children that cannot start


class Setbacks:
    """What keeps task processes from starting. `why` is that in one sentence, empty while nothing does."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._next_try = 0.0
        self._back_off = 0.0
        self.why = ""
        self.is_final = False  # whether the first one ends the runner, as it ends a server that cannot import its app

    def met(self, why: str) -> None:
        """A child could not start. `why` is one sentence, and behind a line break what else there is to say.

        Raises WorkerRefused where that is final.
        """
        if self.is_final:
            log.error("%s", events.worker_ends(why))
            raise WorkerRefused(events.NOTHING_STARTS)
        self._back_off = min(LONGEST_BACK_OFF, max(1.0, self._back_off * 2))
        self.pause(time.monotonic())
        sentence = why.partition("\n")[0]
        if sentence != self.why:
            self.why = sentence
            log.error("%s", events.child_broken(why, self._back_off))
            self._ledger.add_incidents([incident_of_start(TASK_PROCESS, why, time.time())])

    def has_imported(self) -> None:
        """A child has imported the app, so that another one can."""
        self.is_final = False

    def over(self) -> None:
        """One has started."""
        self._back_off, self.why = 0.0, ""

    def forgive(self) -> None:
        """Try at once: much may be different now."""
        self._next_try = self._back_off = 0.0

    def pause(self, now: float, seconds: float = 0.0) -> None:
        """Try again no sooner than in so many seconds, or after the pause that is due (monotonic)."""
        self._next_try = now + max(seconds, self._back_off)

    def may_try(self, now: float) -> bool:
        """Whether it is time to start one."""
        return now >= self._next_try
