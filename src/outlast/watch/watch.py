"""The watch of one process: its event loop beats, its black box is kept, its stalls are told."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from outlast.system.forks import OfOneProcess
from outlast.system.kernel import boot_id
from outlast.system.machine import HOST
from outlast.system.memory import OomKills
from outlast.system.process import this
from outlast.watch.beat import EVERY, Beat
from outlast.watch.flights import Flights, InFlight
from outlast.watch.incident import Cause, Flight
from outlast.watch.kept_box import KeptBox
from outlast.watch.layout import LifeState, Owner, Server, StallNote
from outlast.watch.recovered import Remains, read_own
from outlast.watch.sample import Identify
from outlast.watch.stall import Stall

Tell = Callable[[Stall], None]


@dataclass(frozen=True, slots=True)
class Duty:
    """What a watch is told when it begins on a loop.

    tell: hears of each stall, in the watching thread, again and again until it is over. identify: tells whose code runs
    in a context. on_beat: called on the loop. on_look: called in the watching thread after each look at a silent loop.
    is_stopping: whether the server has told this process to stop. every: seconds between two beats.
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
        self._box = KeptBox(self.flights)
        self._beat: Beat | None = None
        self._duty: Duty | None = None
        self._noted: Stall | None = None
        self._beside: tuple[InFlight, ...] = ()  # a loop that stands still
        self._open_since = math.inf  # when its start was over: what had blocked before kept nobody waiting
        this.forks.tell(self)

    @property
    def box_path(self) -> Path | None:
        """Where the black box is; None without one."""
        return self._box.path

    @property
    def remains(self) -> Remains | None:
        """What the black box would tell if this process died now; None without one."""
        return read_own(self._box.content)

    def keep_box(self, path: Path, process_id: int = 0, server: Server | None = None) -> None:
        """From now on there is a black box. Without room for it the process runs all the same, says so, looks again."""
        oom = OomKills()
        owner = Owner(
            *(self._kind, os.getpid(), time.time(), HOST, boot_id(), process_id),
            oom_kills=oom.count,
            oom_file=oom.file,
            server=server or Server(),
        )
        self._box.keep(path, owner)

    def begin(self, duty: Duty) -> None:
        """Watch the running event loop. On it."""
        self._duty = duty
        self._beat = Beat(duty.stall_after, self, duty.identify, duty.every)
        self._beat.start()

    def rest(self) -> None:
        """There is nothing to do: do not watch until `wake`. On the loop."""
        if self._beat is not None:
            self._beat.pause()
        self.enter(LifeState.RESTING)

    def wake(self) -> None:
        """There is something to do. From any thread."""
        self.enter(LifeState.SERVING)
        if self._beat is not None:
            self._beat.resume()

    def enter(self, state: LifeState) -> None:
        """The process has come so far. On the loop, when its start is over."""
        is_start_over = self._box.state is LifeState.STARTING is not state
        self._box.enter(state)
        if is_start_over:
            self._open_since = time.monotonic()
            if self._beat is not None:
                self._beat.begin_anew()

    def close(self) -> None:
        """A good-bye: this process ends in order. From any thread."""
        beat, self._beat = self._beat, None
        if beat is not None:
            beat.close()
        self._box.close()

    def after_fork_in_child(self) -> None:
        """A forked process is not the one that is watched."""
        self._box.let_go()
        self._beat = None

    # What the beat tells

    def beat(self, now: float) -> None:  # noqa: ARG002 - the box has its own clock
        """The loop runs."""
        assert self._duty is not None  # noqa: S101 - given before the beat begins
        self._duty.on_beat()
        self._box.beat(self._beat.lag if self._beat is not None else 0.0, self._duty.is_stopping)

    def looked(self) -> None:
        """The loop is silent."""
        if self._duty is not None:
            self._duty.on_look()
        self._box.beat_watch()

    def stalled(self, stall: Stall) -> None:
        """The loop stands still: into the box when that is new, is seen otherwise, has doubled, or is over."""
        assert self._duty is not None  # noqa: S101 - given before the beat begins
        self._beside = self._beside or self.flights.now()
        if self.box_path is not None and _is_news(stall, self._noted):
            self._noted = stall
            self._box.note(_note(stall))
        if time.monotonic() - stall.seconds > self._open_since:
            self._duty.tell(replace(stall, beside=_beside(stall, self._beside)))
        if stall.is_over:
            self._beside = ()


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
