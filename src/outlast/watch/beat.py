"""An event loop that beats, and a thread that looks what it does when it does not.

The loop winds a dead man's timer four times a second. A thread is parked at the timer and never wakes while all is
well, so that watching costs a healthy loop nothing that can be measured: a thread that looks ten times a second costs
it 4 to 6 % (measured).
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from outlast.threads import OwnThread, started
from outlast.watch.looks import Looks
from outlast.watch.processor import Reading, Spent, ThreadMeter
from outlast.watch.sample import Identify, LoopView
from outlast.watch.stall import Silence, Stall, cause_of
from outlast.watch.timer import new_timer

EVERY = 0.25  # seconds between two beats, at most a quarter of `stall_after`
LOOK = 0.1  # seconds between two looks at a loop that does not beat
FIRST_LOOK = 0.6  # of `stall_after`: early enough to have seen the culprit twice when that is over


class Witness(Protocol):
    """Who is told. `beat` on the loop, the others in the watching thread."""

    def beat(self, now: float) -> None:
        """The loop runs (monotonic seconds)."""
        ...

    def look(self, now: float) -> None:
        """The loop is silent, the watching thread is not."""
        ...

    def stalled(self, stall: Stall) -> None:
        """The loop stands still: told at each look, and a last time when it is over."""
        ...


@dataclass(slots=True, eq=False)
class Heard:
    """A sign of life of the loop, at monotonic seconds, and the one before it. Made at each beat, so it only keeps."""

    at: float
    reading: Reading
    at_before: float
    reading_before: Reading

    @property
    def after(self) -> float:
        """For how long the loop had been silent before (s)."""
        return self.at - self.at_before

    @property
    def spent(self) -> Spent:
        """What its thread had got meanwhile."""
        return self.reading.since(self.reading_before)


class Beat:
    """Made and started on the loop that it watches. `identify` tells whose code runs in a context.

    every: seconds between two beats, at most.
    """

    def __init__(self, stall_after: float, witness: Witness, identify: Identify, every: float = EVERY) -> None:
        self._loop = asyncio.get_running_loop()
        self._stall_after = stall_after
        self._every = min(every, stall_after / 4)
        self._patience = min(stall_after, 1.0) * FIRST_LOOK
        self._witness = witness
        self._view = LoopView(identify)
        self._timer = new_timer()
        self._meter = ThreadMeter(threading.get_native_id())
        self._is_closed = self._is_paused = False
        self._attended: Heard | None = None  # what has ended a silence that was looked at
        self._next: asyncio.TimerHandle | None = None
        self._heard = self._first_heard()
        self._thread = OwnThread("outlast-watch", self._watch)

    def start(self) -> None:
        """Beat from now on. Where the system gives no thread to watch with, it is asked again at each beat."""
        started(self._thread)
        self.resume()

    def resume(self) -> None:
        """Beat again after a pause. From any thread: the loop may be blocked by now."""
        self._is_paused = False
        self._heard = self._first_heard()
        self._timer.wind(self._patience)
        self._loop.call_soon_threadsafe(self._beat)

    def begin_anew(self) -> None:
        """Count no silence before this moment. On the loop."""
        self._heard = self._first_heard()
        self._timer.wind(self._patience)

    def pause(self) -> None:
        """Stop beating, until `resume`. On the loop, also in the middle of a beat."""
        self._is_paused = True
        if self._next is not None:
            self._next.cancel()
        self._timer.stop()

    def close(self) -> None:
        """Stop beating for good; the thread ends. From any thread."""
        if self._loop.is_running() and asyncio._get_running_loop() is not self._loop:
            with suppress(RuntimeError):  # it has been closed by now
                self._loop.call_soon_threadsafe(self._close)
                return
        self._close()

    def _close(self) -> None:
        self.pause()
        self._is_closed = True
        self._timer.wind(0.0)  # the thread gives back what it holds

    def _beat(self) -> None:
        if self._is_closed:  # it was asked for just before
            return
        if not self._thread.is_alive:
            started(self._thread)
        now = time.monotonic()
        before = self._heard
        self._heard = Heard(now, self._meter.read(), before.at, before.reading)
        self._timer.wind(0.0 if now - before.at >= self._stall_after else self._patience)
        self._is_paused = self._is_closed
        self._witness.beat(now)
        if not self._is_paused:
            self._next = self._loop.call_later(self._every, self._beat)

    def _first_heard(self) -> Heard:
        now, reading = time.monotonic(), self._meter.read()
        return Heard(now, reading, now, reading)

    def _watch(self) -> None:
        own_meter = ThreadMeter(threading.get_native_id())
        try:
            while not self._is_closed:
                self._wait_and_look(own_meter)
        finally:
            own_meter.close()
        for one in (self._meter, self._timer):
            one.close()

    def _wait_and_look(self, own_meter: ThreadMeter) -> None:
        before = own_meter.read()
        self._timer.wait()
        woken_at, heard = time.monotonic(), self._heard
        first = self._view.sample(with_others=True)  # before anything that lets go of the interpreter's lock
        if not self._is_closed:
            waited = own_meter.read().since(before).waited
            self._catch_up(heard, waited)
            self._attend(heard, Looks(first, woken_at), woken_at - heard.at - self._patience - waited)

    def _attend(self, heard: Heard, looks: Looks, late: float) -> None:
        """Look at a loop that has missed its beat, until it beats again. `late`: how much too late that began (s)."""
        if late < -self._every:  # woken for what was missed
            if not self._is_paused:
                self._timer.wind(self._patience)
            return
        if self._view.is_running and not self._is_paused:
            self._follow(heard, looks, late)

    def _follow(self, heard: Heard, looks: Looks, late: float) -> None:
        told = self._tell(looks, heard, late, None)
        while self._is_silent_since(heard):
            time.sleep(LOOK)
            now = time.monotonic()
            looks.add(self._view.sample(), now)
            if self._is_silent_since(heard):
                told = self._tell(looks, heard, late, told)
        self._attended = self._heard
        if told is not None:
            self._witness.stalled(replace(told, seconds=max(told.seconds, self._attended.after), is_over=True))

    def _tell(self, looks: Looks, heard: Heard, late: float, told: Stall | None) -> Stall | None:
        now = time.monotonic()
        self._witness.look(now)
        stall = self._stall(looks, heard, late, now)
        if stall is None:
            return told
        self._witness.stalled(stall)
        return stall

    def _catch_up(self, heard: Heard, waited: float) -> None:
        """The loop may have been faster than this thread, once both could run: nobody has seen who kept them from it.

        waited: what this thread has stood in line for a processor (s).
        """
        if heard is self._attended or heard.after < self._stall_after:
            return
        self._attended = heard
        spent = heard.spent
        silence = Silence(heard.after, max(spent.waited, waited), spent.ran, spent.process, late=heard.after)
        if (cause := cause_of(silence, self._stall_after)) is not None:
            self._witness.stalled(Stall(cause, heard.after, None, None, "", is_over=True))

    def _is_silent_since(self, heard: Heard) -> bool:
        return self._heard is heard and not (self._is_closed or self._is_paused) and self._view.is_running

    def _stall(self, looks: Looks, heard: Heard, late: float, now: float) -> Stall | None:
        spent = self._meter.read().since(heard.reading)
        silence = Silence(now - heard.at, spent.waited, spent.ran, spent.process, late, looks.same_step)
        cause = cause_of(silence, self._stall_after)
        if cause is None:
            return None
        blamed = looks.blamed(cause, by_another=silence.is_another_threads)
        flight = blamed.flight.seen(now) if blamed.flight is not None else None
        return Stall(cause, silence.seconds, blamed.site, flight, blamed.stack, looks.seen_in)
