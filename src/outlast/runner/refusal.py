"""A journal that does not take what the runner has to write: when it is tried again, and when that is said."""

from __future__ import annotations

import time

from outlast.errors import JournalBusy
from outlast.events import hindrances

PATIENCE = 0.05  # seconds that the runner waits for the write lock: nothing else happens meanwhile
FIRST_PAUSE = 0.05  # seconds until it is tried again when another process has the lock; each time twice as long
LONGEST_PAUSE = 0.5  # seconds until then, and for any other reason at once
WORTH_SAYING = 1.0  # seconds of being kept out by others: until then they are only busy


class Refusal:
    """From the first try that failed to the first that does not."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._pause = 0.0
        self._said = ""

    def next_try(self, error: Exception, kept: dict[str, int]) -> float:
        """It has failed with `error`; returns when (monotonic) it is to be tried again. `kept` counts what waits."""
        now = time.monotonic()
        self._since = self._since or now
        is_busy = isinstance(error, JournalBusy)
        self._pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * self._pause)) if is_busy else LONGEST_PAUSE
        if str(error) != self._said and (not is_busy or now - self._since > WORTH_SAYING):
            self._said = str(error)
            hindrances.KeptInMemory(self._said, kept).tell()
        return now + self._pause

    def end(self) -> None:
        """It was written."""
        self._since, self._pause, self._said = None, 0.0, ""
