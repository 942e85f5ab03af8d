"""One task process as the runner sees it: hand attempts over, hear of their ends, reap it."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from outlast import endings, events, hindrances
from outlast.engines.contract import Parked
from outlast.frames import Message
from outlast.handover import packed_attempts
from outlast.hello import Environment
from outlast.incidents import TASK_PROCESS, Cause
from outlast.last_words import last_words
from outlast.orders import SIGNAL, give
from outlast.outcome import Cut, Happening, Raised, Returned, Stopped, Unknown, Why
from outlast.runner.channel import Channel
from outlast.runner.ladder import Grip
from outlast.runner.staff import Role
from outlast.tasks import Claimed, Lane
from outlast.text import MOST_REASON, MOST_TRACEBACK, clean, one_line
from outlast.watch.remains import InBox, Remains, bare_remains, read, remove

log = logging.getLogger("outlast")
REAPING_TIME = 0.2  # seconds for a process that was killed to be gone
SILENCE = 1.0  # seconds without a word from a busy child: its GIL is held


class Handle(Protocol):
    """A living or dead child of this process, whose pid is kept until it has been waited for."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    def wait(self, timeout: float) -> int:
        """Its exit status (negative: signal), once it has ended. Raises TimeoutExpired after `timeout` seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Generation:
    """Children of one generation run the same code in the same environment and write to the same output."""

    number: int
    environment: Environment
    outputs: tuple[int, int]  # descriptors for stdout and stderr

    def is_for(self, environment: Environment, outputs: tuple[int, int]) -> bool:
        """Whether children of these, which may be other descriptors of the same files, would be of this generation."""
        files = zip(self.outputs, outputs, strict=True)
        return self.environment == environment and all(os.path.sameopenfile(*both) for both in files)


@dataclass(slots=True)
class Stop:
    """That an attempt was told to stop, when (monotonic), and how long it had run or blocked by then (s).

    because: why its process has to leave, if that is it. interrupted_at: when that was first tried by force.
    """

    why: Why
    at: float
    seconds: float
    because: str = ""
    interrupted_at: float | None = None

    def heeded(self, pid: int = 0, traceback: str = "") -> Stopped:
        """What became of it: the attempt has ended, `pid` if its process had to be ended for that."""
        return Stopped(self.why, self.seconds, pid, traceback, self.because)


@dataclass(frozen=True, slots=True)
class Leave:
    """That a process was told to leave, with what is in it, and when (monotonic)."""

    why: str
    at: float


@dataclass(eq=False)
class Child:
    """A task process. `attempts` are handed over and not settled, so each of them is a suspect if it dies."""

    id: int
    generation: Generation
    process: Handle
    lifeline: socket.socket
    orders: socket.socket
    box: Path
    role: Role = Role.SPARE
    attempts: dict[int, Claimed] = field(default_factory=dict)
    begun: dict[int, float] = field(default_factory=dict)
    deadlines: dict[int, float] = field(default_factory=dict)
    stops: dict[int, Stop] = field(default_factory=dict)
    taken: Counter[Lane] = field(default_factory=Counter)
    started_at: float = field(default_factory=time.monotonic)
    heard_at: float = field(default_factory=time.monotonic)
    idle_since: float = field(default_factory=time.monotonic)
    ready_at: float = 0.0
    has_imported: bool = False
    begun_at: float = 0.0  # when it was told to enter the lifespan
    is_ready: bool = False
    is_draining: bool = False
    blocked_since: float | None = None
    blocked_why: Cause | None = None  # as far as it has been said
    blocked_by: int = 0  # task, 0 when it is not known
    rests_until: float = 0.0  # monotonic; it gets no work before
    learned_seconds: float = 0.0  # how long this stall had lasted when it was last written down for its function
    broken_because: str = ""
    last_words: str = ""  # why it has ended itself
    hung_up_at: float | None = None
    leaving: Leave | None = None
    ended_because: str = ""  # what the runner has ended it for
    ended_with: tuple[InBox, ...] = ()  # what was in it then
    fates: Mapping[int, str] = field(default_factory=dict)  # and what becomes of it
    is_over: bool = False
    asked: dict[int, Parked] = field(default_factory=dict)  # whether it knows them, by the id of their example
    asked_at: float = 0.0  # seconds since the epoch
    channel: Channel = field(init=False)

    @property
    def pid(self) -> int:
        """Its process id, also that of its group and session."""
        return self.process.pid

    @property
    def environment(self) -> Environment:
        """What it was made in."""
        return self.generation.environment

    @property
    def begins(self) -> bool:
        """Whether it was told to enter the lifespan, or has entered it."""
        return self.begun_at > 0

    @property
    def is_starting(self) -> bool:
        """Whether it imports the app, or enters the lifespan: its end then is that of its start."""
        return not self.has_imported or (self.begins and not self.is_ready)

    def begin(self) -> None:
        """Have it enter the lifespan, once: from then on it can take attempts."""
        if not self.begins:
            self.begun_at = time.monotonic()
            self.channel.send({"type": "begin"})

    def imported(self) -> None:
        """It has imported the app, and waits until it is needed."""
        self.has_imported = True
        self.idle_since = self.heard_at
        log.info("%s", events.child_imported(self.pid, self.environment.app, self.heard_at - self.started_at))

    def started(self) -> None:
        """It has entered the lifespan, and can take attempts."""
        self.is_ready = True
        self.ready_at = self.idle_since = self.heard_at
        log.info("%s", events.child_ready(self.pid, self.environment.lifespan, self.heard_at - self.begun_at))

    @property
    def stays(self) -> bool:
        """Whether it is there for more than what it has."""
        return not self.is_draining and not self.is_over and self.hung_up_at is None

    def accepts(self, role: Role, now: float) -> bool:
        """Whether it is ready for new attempts in this role."""
        is_able = self.is_ready and self.stays and now >= self.rests_until
        return self.role is role and is_able and not self.seems_stuck(now)

    def seems_stuck(self, now: float) -> bool:
        """Whether its loop is blocked, or it is so busy that not even its watch gets a turn."""
        return self.blocked_since is not None or self.is_silent(now)

    def is_silent(self, now: float) -> bool:
        """Whether it has attempts and says nothing: not even its watch gets a turn."""
        return bool(self.attempts) and now - self.heard_at > SILENCE

    def free(self, lane: Lane) -> int:
        """How many more attempts of `lane` it can run at once."""
        settings = self.generation.environment.settings
        slots = settings.loop_slots if lane is Lane.LOOP else settings.thread_slots
        return max(0, slots - self.taken[lane])

    def hand_over(self, claims: Sequence[Claimed], now: float) -> bool:
        """Give it attempts that it has free slots for. False: it has just died, and never saw them."""
        if not all(list(map(self.channel.send_packed, packed_attempts(claims)))):
            return False
        if not self.attempts:
            self.heard_at = now
        self.attempts.update({one.id: one for one in claims})
        self.begun.update({one.id: now for one in claims})
        self.deadlines.update({one.id: now + one.timeout for one in claims if one.timeout is not None})
        self.taken.update(one.lane for one in claims)
        return True

    def give_up(self, ids: Iterable[int], now: float) -> list[Claimed]:
        """Take attempts off its list: ended, or handed back."""
        gone = [self.attempts.pop(task_id) for task_id in ids if task_id in self.attempts]
        self.taken.subtract(one.lane for one in gone)
        for one in gone:
            for noted in (self.begun, self.deadlines, self.stops):
                noted.pop(one.id, None)
        if not self.attempts:
            self.idle_since = now
            self.role = Role.SPARE if self.role is Role.ALONE else self.role
        return gone

    def grip_of(self, task: int, now: float) -> Grip:
        """What an attempt that shall stop does to this process, as far as can be seen from here."""
        lane = self.attempts[task].lane
        if self.blocked_since is not None and lane is Lane.LOOP:
            return Grip.BLOCKS if self.blocked_by == task else Grip.WAITS
        if self.is_silent(now):
            return Grip.SILENT
        return Grip.LOOP if lane is Lane.LOOP else Grip.THREAD

    def tell_to_stop(self, task: int, stop: Stop) -> None:
        """Tell an attempt to end; what happens if it does not listen is decided later."""
        self.stops[task] = stop
        self.channel.send({"type": "stop", "task": task})

    def interrupt(self, task: int, now: float) -> None:
        """Have an exception raised in an attempt that was told to stop, if its code is what the process runs now."""
        self.stops[task].interrupted_at = self.stops[task].interrupted_at or now
        give(self.orders, (task, self.attempts[task].attempt))
        os.kill(self.pid, SIGNAL)

    def ask(self, groups: Sequence[Parked], now: float) -> None:
        """Ask whether its code knows what other code did not."""
        self.asked, self.asked_at = {one.example.id: one for one in groups}, now
        if groups:
            all(list(map(self.channel.send_packed, packed_attempts([one.example for one in groups], "know"))))

    def news_of(self, answers: Iterable[Sequence[Any]]) -> Iterator[Parked]:
        """The groups of which it answers something else than what keeps them; each answer is [id, reason or ""].

        Those that another deployment would run are news only if it knows them.
        """
        for task, why in answers:
            group = self.asked.pop(int(task), None)
            if group is not None and (not why or (group.home is None and one_line(why, MOST_REASON) != group.reason)):
                yield group

    def drain(self) -> None:
        """Let it finish what it has and leave; one that is not ready yet has nothing."""
        if not self.is_draining:
            self.is_draining = True
            self.channel.send({"type": "drain"})

    def leave(self, why: str, now: float) -> list[Claimed]:
        """Let it end in order while it has `grace`, and first what is in it; returns what is told so."""
        if self.leaving is not None:
            return []
        self.leaving, self.is_draining = Leave(why, now), True
        told = [one for one in self.attempts.values() if one.id not in self.stops]
        for one in told:
            self.tell_to_stop(one.id, Stop(Why.LEAVE, now, now - self.begun[one.id], why))
        self.channel.send({"type": "leave"})
        return told

    def end(self, why: str) -> None:
        """End it and everything it started, now; `why` is for its verdict."""
        self.ended_because = self.ended_because or why
        self.ended_with = self.ended_with or self._in_flight()
        self.kill()

    def hung_up(self) -> None:
        """Its channel is over. Most likely it ends, and how it does so is worth to know; else `limits` ends it."""
        self.hung_up_at = time.monotonic()
        if self.channel.fault:
            self.end(endings.hung_up_on(self.channel.fault))

    def kill(self) -> None:
        """End it and everything it started, now."""
        kill_group(self.pid)

    def remains(self) -> Remains:
        """What it has left: its black box, and the attempts that were in it. The box is gone then."""
        found = read(self.box) or bare_remains(TASK_PROCESS, self.pid)
        remove(self.box)
        return replace(found, in_flight=self.ended_with or self._in_flight())

    def _in_flight(self) -> tuple[InBox, ...]:
        return tuple(InBox(one.function, one.id, self.begun[one.id]) for one in self.attempts.values())

    def reap(self) -> int:
        """Its exit status (negative: signal), once it has ended; its own children are ended with it."""
        self.kill()  # before its pid is given back, and may be somebody else's
        status = exit_status(self.process)
        reap_orphans(self.pid)
        self.channel.drain()
        self.channel.close()
        self.last_words = last_words(self.orders)
        self.lifeline.close()
        self.orders.close()
        return status


def ended_by_itself(reason: str, traceback: str, stop: Stop | None) -> Happening:
    """How an attempt ended: what it raised after it was told to stop, it raised because of that."""
    if not reason:
        return Returned()
    return stop.heeded(traceback=traceback) if stop else Raised(reason, traceback)


def not_its_own(pid: int, message: Message) -> Happening:
    """What has come over an attempt in process `pid`, which says so: `cut`, given `back`, or `unknown` to its code."""
    why = one_line(message["why"], MOST_REASON)
    match message["type"]:
        case "unknown":
            return Unknown(why, clean(message["traceback"], MOST_TRACEBACK))
        case "back":
            return Cut(hindrances.no_thread_for_it(pid, why))
        case _:
            return Cut(why)


def kill_group(pid: int) -> None:
    """SIGKILL a session leader and all that is in its group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # all of it is gone
        return


def exit_status(killed: Handle) -> int:
    """How a process has ended that was killed; one that the kernel does not let go yet counts as killed.

    The kernel ends no process that waits for a disk or a file server that does not answer. It is collected as a stray.
    """
    try:
        return killed.wait(REAPING_TIME)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL


def watch_for_death(pid: int, selector: selectors.BaseSelector, ended: Callable[[], None]) -> None:
    """Learn of the death of a child of this process from the kernel."""
    descriptor = os.pidfd_open(pid)

    def died() -> None:
        selector.unregister(descriptor)
        os.close(descriptor)
        ended()

    selector.register(descriptor, selectors.EVENT_READ, died)


def reap_orphans(group: int) -> None:
    """Collect what a dead child had started: the runner is their subreaper."""
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return
