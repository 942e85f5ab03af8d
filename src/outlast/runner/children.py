"""One task process as the runner sees it: start it, hand attempts over, hear of their ends, reap it."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from outlast.errors import OutlastError
from outlast.frames import Message
from outlast.hello import Environment
from outlast.orders import SIGNAL, give
from outlast.outcome import Why
from outlast.runner.channel import Channel
from outlast.runner.ladder import Grip
from outlast.runner.staff import Role
from outlast.tasks import Claimed, Lane

_PIDFD = hasattr(os, "pidfd_open")
LONGEST_LAST_WORDS = 16_384  # characters
SILENCE = 1.0  # seconds without a word from a busy child: its GIL is held


@dataclass(frozen=True, slots=True)
class Generation:
    """Children of one generation run the same code in the same environment and write to the same output."""

    number: int
    environment: Environment
    outputs: tuple[int, int]  # descriptors for stdout and stderr


@dataclass(slots=True)
class Stop:
    """That an attempt was told to stop, when (monotonic), and how long it had run or blocked by then (s).

    interrupted_at: when that was first tried by force.
    """

    why: Why
    at: float
    seconds: float
    interrupted_at: float | None = None


@dataclass(eq=False)
class Child:
    """A task process. `attempts` are handed over and not settled, so each of them is a suspect if it dies."""

    id: int
    generation: Generation
    process: subprocess.Popen[bytes]
    lifeline: socket.socket
    orders: socket.socket
    crash_file: Path
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
    is_ready: bool = False
    is_draining: bool = False
    blocked_since: float | None = None
    blocked_by: int = 0  # task, 0 when it is not known
    broken_because: str = ""
    is_over: bool = False
    channel: Channel = field(init=False)

    @property
    def pid(self) -> int:
        """Its process id, also that of its group and session."""
        return self.process.pid

    @property
    def stays(self) -> bool:
        """Whether it is there for more than what it has."""
        return not self.is_draining and not self.is_over

    def accepts(self, role: Role, now: float) -> bool:
        """Whether it is ready for new attempts in this role."""
        return self.role is role and self.is_ready and self.stays and not self.seems_stuck(now)

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
        tasks = [[one.id, one.attempt, one.function, one.arguments, str(one.lane), one.memory] for one in claims]
        if not self.channel.send({"type": "run", "tasks": tasks}):
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

    def drain(self) -> None:
        """Let it finish what it has and leave; one that is not ready yet has nothing."""
        if not self.is_draining:
            self.is_draining = True
            self.channel.send({"type": "drain"})

    def kill(self) -> None:
        """End it and everything it started, now."""
        kill_group(self.pid)

    def last_words(self) -> str:
        """What it wrote when it crashed, such as the stack of each thread; empty if nothing."""
        words = ""
        with suppress(OSError):  # it had no room for any, or the folder was made read-only
            words = self.crash_file.read_text(encoding="utf-8", errors="replace")[:LONGEST_LAST_WORDS]
            self.crash_file.unlink()
        return words

    def reap(self) -> int:
        """Its exit status (negative: signal), once it has ended; its own children are ended with it."""
        self.kill()  # before its pid is given back, and may be somebody else's
        status = self.process.wait()
        _reap_orphans(self.pid)
        self.channel.drain()
        self.channel.close()
        self.lifeline.close()
        self.orders.close()
        return status


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the runner does when a child has been started (gives it an id, a row), speaks, or ends."""

    enter: Callable[[int], int]
    received: Callable[[Child, Message], None]
    ended: Callable[[Child], None]


def start_child(generation: Generation, journal: Path, selector: selectors.BaseSelector, handlers: Handlers) -> Child:
    """Start a task process. Raises OSError when the interpreter or the folder is gone, StoreFailed from `enter`."""
    channel, lifeline = socket.socketpair(), socket.socketpair()
    orders = socket.socketpair(type=socket.SOCK_DGRAM)
    with channel[1], orders[1], lifeline[1]:
        handle = _spawn(generation, [one[1].fileno() for one in (channel, orders, lifeline)])
    try:
        process = handlers.enter(handle.pid)
        child = Child(process, generation, handle, lifeline[0], orders[0], journal.parent / f"child-{process}.crash")
    except OutlastError:
        kill_group(handle.pid)
        handle.wait()
        for one in (channel, orders, lifeline):
            one[0].close()
        raise
    received, ended = handlers.received, handlers.ended
    lost = child.kill if _PIDFD else lambda: ended(child)  # one that hung up can take no more work
    child.channel = Channel(channel[0], selector, lambda message: received(child, message), lost)
    child.channel.send(_start_message(child, journal))
    if _PIDFD:
        _watch_for_death(child, selector, ended)
    return child


def _spawn(generation: Generation, descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    environment = generation.environment
    return subprocess.Popen(
        [environment.executable, "-P", "-m", "outlast.child", *map(str, descriptors)],
        stdin=subprocess.DEVNULL,
        stdout=generation.outputs[0],
        stderr=generation.outputs[1],
        cwd=environment.folder,
        env=dict(environment.variables),
        pass_fds=descriptors,
        start_new_session=True,
    )


def kill_group(pid: int) -> None:
    """SIGKILL a session leader and all that is in its group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # all of it is gone
        return


def _start_message(child: Child, journal: Path) -> Message:
    environment = asdict(child.generation.environment) | {"variables": {}}  # those it has already
    return {
        "type": "start",
        "process": child.id,
        "environment": environment,
        "journal": str(journal),
        "crash_file": str(child.crash_file),
    }


def _watch_for_death(child: Child, selector: selectors.BaseSelector, ended: Callable[[Child], None]) -> None:
    """Learn of its death from the kernel. Without pidfd (macOS) the end of its channel has to do."""
    descriptor = os.pidfd_open(child.pid)

    def died() -> None:
        selector.unregister(descriptor)
        os.close(descriptor)
        ended(child)

    selector.register(descriptor, selectors.EVENT_READ, died)


def _reap_orphans(group: int) -> None:
    """Collect what a dead child had started: the runner is their subreaper."""
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return
