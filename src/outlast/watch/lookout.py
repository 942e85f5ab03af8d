"""The thread that looks at an event loop that does not beat, and says what it is silent for."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Protocol

from outlast.system.processor import Spent, ThreadMeter
from outlast.watch.flights import InFlight
from outlast.watch.incident import Cause
from outlast.watch.pulse import BeatReading, Pulse
from outlast.watch.sample import Identify, LoopView, Sample, flight_in, only_busy, site_of
from outlast.watch.site import Site
from outlast.watch.stacks import text_of
from outlast.watch.stall import Silence, Stall, Unseen, cause_of

LOOK = 0.1  # seconds between two looks at a loop that does not beat


class Witness(Protocol):
    """Who is told. `beat` on the loop, the others in the watching thread."""

    def beat(self, now: float) -> None:
        """The loop runs (monotonic seconds)."""
        ...

    def looked(self) -> None:
        """The loop is silent, the watching thread is not, and has told what it has seen."""
        ...

    def stalled(self, stall: Stall) -> None:
        """The loop stands still: told at each look, and a last time when it is over."""
        ...


class Lookout:
    """Made on the loop that it watches. `identify` tells whose code runs in a context.

    every: seconds between two beats.
    """

    def __init__(self, pulse: Pulse, witness: Witness, identify: Identify, every: float) -> None:
        self._pulse = pulse
        self._witness = witness
        self._every = every
        self._view = LoopView(identify)
        self._attended: BeatReading | None = None  # what has ended a silence that was looked at

    def watch(self) -> None:
        """The whole work of the watching thread."""
        own_meter = ThreadMeter(threading.get_native_id())
        try:
            while not self._pulse.is_closed:
                self._wait_and_look(own_meter)
        finally:
            own_meter.close()
        self._pulse.give_back()

    def _wait_and_look(self, own_meter: ThreadMeter) -> None:
        before = own_meter.read()
        self._pulse.timer.wait()
        woken_at, heard = time.monotonic(), self._pulse.heard
        first = self._view.sample(with_others=True)  # before anything that lets go of the interpreter's lock
        if not self._pulse.is_closed:
            waited = own_meter.read().since(before).waited
            self._catch_up(heard, waited)
            late = woken_at - heard.at - self._pulse.patience - waited
            spent = self._pulse.meter.read().since(heard.reading)
            self._attend(heard, Samples(first, woken_at), _unseen(woken_at - heard.at, late, spent, waited))

    def _attend(self, heard: BeatReading, samples: Samples, unseen: Unseen) -> None:
        """Look at a loop that has missed its beat, until it beats again."""
        if unseen.late < -self._every:  # woken for what was missed
            if not self._pulse.is_paused:
                self._pulse.timer.wind(self._pulse.patience)
            return
        if self._view.is_running and not self._pulse.is_paused:
            self._follow(heard, samples, unseen)

    def _follow(self, heard: BeatReading, samples: Samples, unseen: Unseen) -> None:
        told = self._tell(samples, heard, unseen, None)
        while self._is_silent_since(heard):
            time.sleep(LOOK)
            now = time.monotonic()
            samples.add(self._view.sample(), now)
            if self._is_silent_since(heard):
                told = self._tell(samples, heard, unseen, told)
        self._attended = self._pulse.heard
        if told is not None:
            self._witness.stalled(replace(told, seconds=max(told.seconds, self._attended.after), is_over=True))

    def _tell(self, samples: Samples, heard: BeatReading, unseen: Unseen, told: Stall | None) -> Stall | None:
        """Whoever holds the interpreter's lock may take it back at any moment, and for good: it is told last that this
        thread goes on, since of one that does, and has seen nothing, it is said that nobody could see why.
        """
        stall = self._stall(samples, heard, unseen, time.monotonic())
        if stall is not None:
            self._witness.stalled(stall)
        self._witness.looked()
        return stall or told

    def _catch_up(self, heard: BeatReading, waited: float) -> None:
        """The loop may have been faster than this thread, once both could run: nobody has seen who kept them from it.

        waited: what this thread has stood in line for a processor (s).
        """
        if heard is self._attended or heard.after < self._pulse.stall_after:
            return
        self._attended = heard
        unseen = _unseen(heard.after, heard.after, heard.spent, waited)
        silence = Silence(heard.after, unseen.waited, unseen=unseen)
        if (cause := cause_of(silence, self._pulse.stall_after)) is not None:
            self._witness.stalled(Stall(cause, heard.after, None, None, "", is_over=True))

    def _is_silent_since(self, heard: BeatReading) -> bool:
        return self._pulse.is_silent_since(heard) and self._view.is_running

    def _stall(self, samples: Samples, heard: BeatReading, unseen: Unseen, now: float) -> Stall | None:
        waited = self._pulse.meter.read().since(heard.reading).waited
        silence = Silence(now - heard.at, waited, samples.same_step, unseen)
        cause = cause_of(silence, self._pulse.stall_after)
        if cause is None:
            return None
        blamed = samples.blamed(cause, by_another=unseen.is_another_threads)
        flight = blamed.flight.seen(now) if blamed.flight is not None else None
        return Stall(cause, silence.seconds, blamed.site, flight, blamed.stack, samples.seen_in)


def _unseen(seconds: float, late: float, spent: Spent, waited: float) -> Unseen:
    """`spent`: of the loop's thread; `waited`: what the watching thread has stood in line for a processor (s)."""
    return Unseen(seconds, late, max(spent.waited, waited), spent.ran, spent.cpu)


@dataclass(frozen=True, slots=True)
class Blamed:
    """Where the code is, whose it is, and the stack as Python prints it; None and empty for nobody."""

    site: Site | None
    flight: InFlight | None
    stack: str


class Samples:
    """The samples of one silence, from the first one on."""

    def __init__(self, first: Sample, at: float) -> None:
        self._first = self._last = self._typical = self._longest = first
        self._step_since = at
        self._times_at = Counter([first.place])
        self.same_step = 0.0  # seconds for which the loop was seen in one step at most

    def add(self, sample: Sample, at: float) -> None:
        """Another one. A step that is seen for the first time may have begun only now."""
        if sample.step is not self._last.step:
            self._step_since, self._times_at, self._typical = at, Counter(), sample
        self._last = sample
        self._times_at[sample.place] += 1
        if self._times_at[sample.place] > self._times_at[self._typical.place]:
            self._typical = sample  # and not the newest: a step that was blocked goes on to other lines before it ends
        if at - self._step_since > self.same_step:
            self._longest, self.same_step = self._typical, at - self._step_since

    @property
    def seen_in(self) -> Site | None:
        """Where the loop was for most of the time, as far as it was seen."""
        return self._longest.site

    def blamed(self, cause: Cause, *, by_another: bool) -> Blamed:
        """Who is to blame. The interpreter's lock is handed over in the very call that has held it, so the first look
        shows that: the loop's own thread, or if that waited, the only other one in user code.

        by_another: the loop's thread cannot have held it, wherever it stands.
        """
        if cause is Cause.BLOCKED:
            return Blamed(self._longest.site, self._longest.flight, text_of(self._longest.stack))
        if cause not in (Cause.HELD, Cause.FROZEN):
            return Blamed(None, None, "")
        first, is_another = self._first, by_another and cause is Cause.HELD
        other = only_busy(first.others) if is_another or first.step is None else None
        if other is None and is_another:
            return Blamed(None, None, "")
        if other is None:
            return Blamed(first.site, first.flight, text_of(first.stack))
        return Blamed(site_of(other), flight_in(other), text_of(other))
