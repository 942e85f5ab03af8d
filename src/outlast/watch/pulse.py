"""The signs of life of an event loop, as it gives them and as the thread that watches it hears them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from outlast.system.processor import CpuReading, Spent, ThreadMeter
from outlast.system.timer import new_timer

FIRST_LOOK = 0.6  # of `stall_after`: early enough to have seen the culprit twice when that is over


@dataclass(slots=True, eq=False)
class BeatReading:
    """A sign of life of the loop, at monotonic seconds, and the one before it. Made at each beat, so it only keeps."""

    at: float
    reading: CpuReading
    at_before: float
    reading_before: CpuReading

    @property
    def after(self) -> float:
        """For how long the loop had been silent before (s)."""
        return self.at - self.at_before

    @property
    def spent(self) -> Spent:
        """What its thread had got meanwhile."""
        return self.reading.since(self.reading_before)


class Pulse:
    """Made on the loop, whose every beat winds the timer at which the watching thread waits.

    stall_after: for how long a loop is silent that stands still. patience: after which silence it is looked at (s).
    """

    def __init__(self, stall_after: float) -> None:
        self.stall_after = stall_after
        self.patience = min(stall_after, 1.0) * FIRST_LOOK
        self.timer = new_timer()
        self.meter = ThreadMeter(threading.get_native_id())
        self.is_closed = self.is_paused = False
        self.heard = self._first_heard()

    def beat(self, now: float) -> None:
        """The loop runs (monotonic seconds). On it."""
        before = self.heard
        self.heard = BeatReading(now, self.meter.read(), before.at, before.reading)
        self.timer.wind(0.0 if now - before.at >= self.stall_after else self.patience)
        self.is_paused = self.is_closed

    def begin_anew(self) -> None:
        """Count no silence before this moment."""
        self.heard = self._first_heard()
        self.timer.wind(self.patience)

    def pause(self) -> None:
        """The loop may be silent from now on."""
        self.is_paused = True
        self.timer.stop()

    def end(self) -> None:
        """Nothing is heard any more: the watching thread wakes, and gives back what is held here."""
        self.is_closed = True
        self.timer.wind(0.0)

    def give_back(self) -> None:
        """Close what is held. In the watching thread, at its end."""
        for one in (self.meter, self.timer):
            one.close()

    def is_silent_since(self, heard: BeatReading) -> bool:
        """Whether nothing was heard after that, though it should have been."""
        return self.heard is heard and not (self.is_closed or self.is_paused)

    def _first_heard(self) -> BeatReading:
        now, reading = time.monotonic(), self.meter.read()
        return BeatReading(now, reading, now, reading)
