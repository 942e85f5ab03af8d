"""The watch of one process: its event loop beats, its black box is kept, its stalls are told."""

from __future__ import annotations

import faulthandler
import logging
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from outlast.forks import OfOneProcess
from outlast.incidents import Cause, Flight
from outlast.kernel import boot_id
from outlast.process import this
from outlast.threads import OwnThread, started
from outlast.watch import sentences
from outlast.watch.beat import EVERY, Beat
from outlast.watch.box import POKE, Box, Owner, Server, StallNote, State
from outlast.watch.flights import Flights, InFlight
from outlast.watch.leaving import Leaving
from outlast.watch.memory import OomKills, OwnMemory
from outlast.watch.sample import Identify
from outlast.watch.stall import Stall

log = logging.getLogger("outlast")
MEASURE_EVERY = 4  # beats
LOOK_AGAIN = 5.0  # seconds until a box is tried again for which there was no room
Tell = Callable[[Stall], None]


@dataclass(frozen=True, slots=True)
class Duty:
    """What a watch is told when it begins on a loop.

    tell: hears of each stall, in the watching thread, again and again until it is over. identify: tells whose code runs
    in a context. on_beat: called on the loop. on_look: called in the watching thread while the loop is silent, before
    that is a stall. is_stopping: whether the server has told this process to stop. every: seconds between two beats.
    """

    stall_after: float
    tell: Tell
    identify: Identify
    on_beat: Callable[[], None] = lambda: None
    on_look: Callable[[], None] = lambda: None
    is_stopping: Callable[[], bool] = lambda: False
    every: float = EVERY


class Watch(OfOneProcess):
    """One per process. `flights` may be used before there is a box, and without one."""

    def __init__(self, kind: str) -> None:
        self.flights = Flights()
        self._kind = kind
        self._box: Box | None = None
        self._beat: Beat | None = None
        self._duty: Duty | None = None
        self._beats = 0
        self._noted: Stall | None = None
        self._beside: tuple[InFlight, ...] = ()  # a loop that stands still
        self._memory: OwnMemory | None = None
        self._leaving: Leaving | None = None
        self._writes_stacks = False
        self._state = State.STARTING
        self._open_since = math.inf  # when its start was over: what had blocked before kept nobody waiting
        self._is_closed = threading.Event()
        self._placing = threading.Lock()
        self._placer: OwnThread | None = None
        this.forks.tell(self)

    @property
    def box_path(self) -> Path | None:
        """Where the black box is; None without one."""
        return self._box.path if self._box is not None else None

    def keep_box(self, path: Path, process: int = 0, server: Server | None = None) -> None:
        """From now on there is a black box. Without room for it the process runs all the same, says so, looks again."""
        owner = Owner(
            *(self._kind, os.getpid(), time.time(), socket.gethostname(), boot_id(), process),
            oom_kills=OomKills().count,
            server=server or Server(),
        )
        try:
            self._place_box(path, owner)
        except OSError as error:
            log.warning("%s", sentences.no_box(error))
            self._placer = OwnThread("outlast-box", lambda: self._place_box_later(path, owner))
            started(self._placer)

    def _place_box_later(self, path: Path, owner: Owner) -> None:
        while not self._is_closed.wait(LOOK_AGAIN):
            try:
                self._place_box(path, owner)
            except OSError:  # that there is no room has been said
                continue
            log.warning("%s", sentences.box_after_all(path))
            return

    def _place_box(self, path: Path, owner: Owner) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        box = Box(path, owner)
        with self._placing:
            if self._is_closed.is_set() or owner.pid != os.getpid():
                box.close()
                return
            box.enter(self._state)
            self._box = box
            box.introduce(replace(owner, poke=self._write_stacks(box)))
            self.flights.write_to(box)
            self._memory = OwnMemory()
            self._leaving = Leaving(self._leave)

    def begin(self, duty: Duty) -> None:
        """Watch the running event loop. On it."""
        self._duty = duty
        self._beat = Beat(duty.stall_after, self, duty.identify, duty.every)
        self._beat.start()

    def rest(self) -> None:
        """There is nothing to do: do not watch until `wake`. On the loop."""
        if self._beat is not None:
            self._beat.pause()
        self.enter(State.RESTING)

    def wake(self) -> None:
        """There is something to do. From any thread."""
        self.enter(State.SERVING)
        if self._beat is not None:
            self._beat.resume()

    def enter(self, state: State) -> None:
        """The process has come so far. On the loop, when its start is over."""
        is_start_over, self._state = self._state is State.STARTING is not state, state
        if is_start_over:
            self._open_since = time.monotonic()
            if self._beat is not None:
                self._beat.begin_anew()
        if self._box is not None:
            self._box.enter(state)

    def close(self) -> None:
        """A good-bye: this process ends in order. From any thread."""
        beat, self._beat = self._beat, None
        if beat is not None:
            beat.close()
        with self._placing:
            self._is_closed.set()
            box, self._box = self._box, None
            memory, self._memory = self._memory, None
            leaving, self._leaving = self._leaving, None
        if memory is not None:
            memory.close()
        if leaving is not None:
            leaving.cancel()
        if box is not None:
            self.flights.write_to(None)
            self._stop_writing_stacks()
            box.close()

    # What the beat tells

    def beat(self, now: float) -> None:  # noqa: ARG002 - the box has its own clock
        """The loop runs."""
        assert self._duty is not None  # noqa: S101 - given before the beat begins
        self._duty.on_beat()
        if self._box is None:
            if self._placer is not None and not self._placer.is_alive:  # no thread could be started for it
                started(self._placer)
            return
        self._box.beat_loop()
        self._beats += 1
        if self._beats % MEASURE_EVERY == 0:
            if self._memory is not None:
                self._box.measured(*self._memory.read())
            if self._duty.is_stopping():
                self._box.enter(State.STOPPING)

    def look(self, now: float) -> None:  # noqa: ARG002 - the box has its own clock
        """The loop is silent."""
        if self._duty is not None:
            self._duty.on_look()
        box = self._box
        if box is not None:
            box.beat_watch()

    def stalled(self, stall: Stall) -> None:
        """The loop stands still: into the box when that is new, is seen otherwise, has doubled, or is over."""
        assert self._duty is not None  # noqa: S101 - given before the beat begins
        box, self._beside = self._box, self._beside or self.flights.now()
        if box is not None and _is_news(stall, self._noted):
            self._noted = stall
            box.note(_note(stall))
        if time.monotonic() - stall.seconds > self._open_since:
            self._duty.tell(replace(stall, beside=_beside(stall, self._beside)))
        if stall.is_over:
            self._beside = ()

    # Steps

    def _write_stacks(self, box: Box) -> int:
        """Have C write the stack into a file when the process breaks, or is asked; returns the signal that asks."""
        if faulthandler.is_enabled():  # somebody else wants it elsewhere
            return 0
        faulthandler.enable(box.crash_file)
        self._writes_stacks = True
        if not POKE or signal.getsignal(POKE) != signal.SIG_DFL:  # somebody else uses it
            return 0
        faulthandler.register(POKE, box.crash_file)
        return int(POKE)

    def _leave(self) -> None:
        """The interpreter ends in order, though nobody has said good-bye: nothing to wonder about, but at start-up."""
        if self._box is not None and self._box.state is not State.STARTING:
            self._stop_writing_stacks()
            self._box.close()

    def after_fork_in_child(self) -> None:
        """A forked process is not the one that is watched."""
        self.flights.write_to(None)
        self._stop_writing_stacks()
        self._placing, self._is_closed = threading.Lock(), threading.Event()
        box, self._box, self._beat = self._box, None, None
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.close()
        if box is not None:
            box.let_go()

    def _stop_writing_stacks(self) -> None:
        if self._writes_stacks:
            faulthandler.disable()
            faulthandler.unregister(POKE)
            self._writes_stacks = False


def _is_news(stall: Stall, noted: Stall | None) -> bool:
    if noted is None or noted.is_over or stall.is_over:
        return True
    return stall.cause is not noted.cause or stall.site != noted.site or stall.seconds >= 2 * noted.seconds


def _beside(stall: Stall, flights: Sequence[InFlight]) -> tuple[Flight, ...]:
    """By the time at which a stall is over, what was in flight has ended, and first of all the culprit."""
    now = time.monotonic()
    seen = tuple(one.seen(now) for one in flights)
    is_there = stall.flight is None or any(
        (one.name, one.task) == (stall.flight.name, stall.flight.task) for one in seen
    )
    return seen if is_there or stall.flight is None else (stall.flight, *seen)


def _note(stall: Stall) -> StallNote:
    site = stall.seen_in if stall.cause is Cause.STARVED else stall.site
    culprit, call = (str(site), site.call) if site is not None else ("", "")
    began = time.monotonic() - stall.seconds
    return StallNote(stall.cause, began, culprit, call, stall.stack, stall.flight, stall.is_over)
