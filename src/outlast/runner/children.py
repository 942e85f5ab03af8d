"""One task process as the runner sees it: what it is there for, what it has, and where it stands."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from outlast.events import endings, processes
from outlast.journal.contract import Parked
from outlast.runner import reports
from outlast.runner.child_process import ChildProcess
from outlast.runner.launching import Generation
from outlast.runner.reports import Report
from outlast.runner.running import Running, Stop, Work
from outlast.runner.scaling import Role
from outlast.tasks.outcome import Why
from outlast.tasks.task import Claimed, Lane
from outlast.watch.flights import InFlight
from outlast.watch.incident import Cause
from outlast.wire.channel import Channel
from outlast.wire.handover import packed_attempts

SILENCE = 1.0  # seconds without a word from a busy child: its GIL is held


class Inquiry:
    """Whether its code knows tasks that other code did not. `at`: when it was last asked, seconds since the epoch."""

    def __init__(self) -> None:
        self.at = 0.0
        self._asked: dict[int, Parked] = {}  # by the id of their example

    def ask(self, channel: Channel, groups: Sequence[Parked], now: float) -> None:
        """Ask of each group whether its example is known."""
        self._asked, self.at = {one.example.id: one for one in groups}, now
        if groups:
            all(list(map(channel.send_packed, packed_attempts([one.example for one in groups], "know"))))

    def news_of(self, answers: Iterable[tuple[int, str]]) -> Iterator[Parked]:
        """The groups of which it answers something else than what keeps them; each answer is (id, reason or "").

        Those that another deployment would run are news only if it knows them.
        """
        for task, why in answers:
            group = self._asked.pop(task, None)
            if group is not None and (not why or (group.home is None and why != group.reason)):
                yield group


@dataclass(slots=True)
class Start:
    """How far a task process has come with its start. Times are monotonic seconds, 0 for what has not been.

    begun_at: when it was told to enter the lifespan. stands_at: where it was when it last said so, as long as it
    imports or enters, and stands_since: when it said so first. broken_because: why it cannot start.
    """

    started_at: float = field(default_factory=time.monotonic)
    imported_at: float = 0.0
    begun_at: float = 0.0
    ready_at: float = 0.0
    stands_at: str = ""
    stands_since: float = 0.0
    broken_because: str = ""

    @property
    def is_going_on(self) -> bool:
        """Whether it imports the app, or enters the lifespan: its end then is that of its start."""
        return not self.imported_at or (self.begun_at > 0 and not self.ready_at)

    @property
    def step_began_at(self) -> float:
        """When what it does now began: the import, or the lifespan."""
        return self.begun_at or self.started_at

    def stood(self, at: str, now: float) -> None:
        """It has said where it stands."""
        if at != self.stands_at:
            self.stands_at, self.stands_since = at, now


@dataclass(slots=True)
class ChildStall:
    """That its event loop is blocked, since when (monotonic). task: by whom, 0 when it is not known.

    said: why, as far as it has been said. learned: how long it had lasted when it was last written down (s).
    """

    since: float
    task_id: int = 0
    said: Cause | None = None
    learned: float = 0.0


@dataclass(frozen=True, slots=True)
class Leave:
    """That a process was told to leave, with what is in it, and when (monotonic)."""

    why: str
    at: float


@dataclass(frozen=True, slots=True)
class Killed:
    """What the runner has ended a process for, and what was in it then."""

    why: str
    in_flight: tuple[InFlight, ...]


@dataclass(slots=True)
class Parting:
    """How far a task process has come with its end. fates: what becomes of what was in it, by task."""

    is_draining: bool = False
    leaving: Leave | None = None
    hung_up_at: float | None = None  # monotonic
    killed: Killed | None = None
    fates: Mapping[int, str] = field(default_factory=dict)


@dataclass(eq=False)
class Child:
    """A task process."""

    id: int
    generation: Generation
    process: ChildProcess
    box: Path
    role: Role = Role.SPARE
    work: Work = field(default_factory=Work)
    start: Start = field(default_factory=Start)
    stall: ChildStall | None = None
    parting: Parting = field(default_factory=Parting)
    inquiry: Inquiry = field(default_factory=Inquiry)
    heard_at: float = field(default_factory=time.monotonic)
    rests_until: float = 0.0  # monotonic; it gets no work before

    @property
    def pid(self) -> int:
        """Its process id, also that of its group and session."""
        return self.process.pid

    def heard(self, now: float) -> Iterator[Report]:
        """What it has reported. One that has hung up ends most likely, and how it does so is worth to know."""
        for report in self.process.channel.heard(reports.read):
            self.heard_at = now
            yield report
        if self.process.channel.is_over and self.parting.hung_up_at is None:
            self.parting.hung_up_at = now
            if self.process.channel.fault:
                self.end(endings.hung_up_on(self.process.channel.fault))

    def begin(self) -> None:
        """Have it enter the lifespan, once: from then on it can take attempts."""
        if not self.start.begun_at:
            self.start.begun_at = time.monotonic()
            self.process.channel.send({"type": "begin"})

    def imported(self) -> None:
        """It has imported the app, and waits until it is needed."""
        self.start.imported_at = self.work.idle_since = self.heard_at
        self.start.stands_at = ""
        seconds = self.heard_at - self.start.started_at
        processes.TaskProcessImported(self.pid, self.generation.environment.app, seconds).tell()

    def ready(self) -> None:
        """It has entered the lifespan, and can take attempts."""
        self.start.ready_at = self.work.idle_since = self.heard_at
        seconds = self.heard_at - self.start.begun_at
        processes.TaskProcessReady(self.pid, self.generation.environment.lifespan, seconds).tell()

    @property
    def stays(self) -> bool:
        """Whether it is there for more than what it has."""
        parting = self.parting
        return not (parting.is_draining or parting.killed) and parting.hung_up_at is None

    def accepts(self, role: Role, now: float) -> bool:
        """Whether it is ready for new attempts in this role: not while it seems to be stuck."""
        is_able = self.start.ready_at and self.stays and now >= self.rests_until
        return bool(self.role is role and is_able and self.stall is None and not self.is_silent(now))

    def is_silent(self, now: float) -> bool:
        """Whether it has attempts and says nothing: not even its watch gets a turn."""
        return bool(self.work.running) and now - self.heard_at > SILENCE

    def free(self, lane: Lane) -> int:
        """How many more attempts of `lane` it can run at once."""
        settings = self.generation.settings
        slots = settings.loop_slots if lane is Lane.LOOP else settings.thread_slots
        return max(0, slots - self.work.count(lane))

    def hand_over(self, claims: Sequence[Claimed], now: float) -> bool:
        """Give it attempts that it has free slots for. False: it has just died, and never saw them."""
        if not all(list(map(self.process.channel.send_packed, packed_attempts(claims)))):
            return False
        if not self.work.running:
            self.heard_at = now
        self.work.begin(claims, now)
        return True

    def give_up(self, ids: Iterable[int], now: float) -> list[Running]:
        """Take attempts off its list: ended, or handed back."""
        gone = self.work.give_up(ids, now)
        if not self.work.running and self.role is Role.ALONE:
            self.role = Role.SPARE
        return gone

    def tell_to_stop(self, one: Running, stop: Stop) -> None:
        """Tell an attempt to end; what happens if it does not listen is decided later."""
        one.stop = stop
        self.process.channel.send({"type": "stop", "task": one.id})

    def drain(self) -> None:
        """Let it finish what it has and leave; one that is not ready yet has nothing."""
        if not self.parting.is_draining:
            self.parting.is_draining = True
            self.process.channel.send({"type": "drain"})

    def leave(self, why: str, now: float) -> list[Claimed]:
        """Let it end in order while it has `grace`, and first what is in it; returns what is told so."""
        if self.parting.leaving is not None:
            return []
        self.parting.leaving, self.parting.is_draining = Leave(why, now), True
        told = [one for one in self.work.running.values() if one.stop is None]
        for one in told:
            self.tell_to_stop(one, Stop(Why.LEAVE, now, now - one.begun, why))
        self.process.channel.send({"type": "leave"})
        return [one.attempt for one in told]

    def end(self, why: str) -> None:
        """End it and everything it started, now; `why` is for its verdict."""
        self.parting.killed = self.parting.killed or Killed(why, self.work.in_flight)
        self.process.kill()
