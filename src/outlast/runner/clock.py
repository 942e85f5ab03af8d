"""The time by which a runner forgets: somebody may set the clock forth, and back again."""

from __future__ import annotations

import time


class PatientClock:
    """The wall clock, but never ahead of the time that has passed since the start."""

    def __init__(self) -> None:
        self._began = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        return min(time.time(), self._began + time.monotonic())
