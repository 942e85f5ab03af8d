"""A task, its states, and the one table of the moves between them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from random import Random

from outlast.deployments import NO_HOME, Home
from outlast.errors import TaskNotFound
from outlast.forks import OfOneProcess
from outlast.process import this


class State(IntEnum):
    """Where a task is. Numbers are what the journal stores: never renumber."""

    HELD = 0  # stored, its response is not over yet
    WAITING = 1  # to be run, now, later, or after the task it follows
    RUNNING = 2
    DONE = 3
    FAILED = 4
    CANCELLED = 5
    DROPPED = 6  # will not run, and the journal says why
    PARKED = 7  # the code that is here does not know it: it waits for other code

    @property
    def label(self) -> str:
        """The name people read, such as `waiting`."""
        return self.name.lower()


class End(StrEnum):
    """How one attempt ended."""

    DONE = "done"
    ERROR = "error"
    RETRY = "retry"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    CRASHED = "crashed"
    INTERRUPTED = "interrupted"
    SNOOZED = "snoozed"
    PARKED = "parked"


class Lane(StrEnum):
    """Where an attempt runs."""

    LOOP = "loop"  # the event loop of a child
    THREAD = "thread"  # the thread pool of a child
    ALONE = "alone"  # a child with nothing else in it
    INLINE = "inline"  # the web worker itself, as FastAPI alone would


MOVES: Mapping[State, frozenset[State]] = {
    State.HELD: frozenset({State.WAITING, State.RUNNING, State.CANCELLED, State.DROPPED}),
    State.WAITING: frozenset({State.RUNNING, State.CANCELLED}),
    State.RUNNING: frozenset({State.WAITING, State.DONE, State.FAILED, State.CANCELLED, State.PARKED}),
    State.DONE: frozenset({State.WAITING}),
    State.FAILED: frozenset({State.WAITING}),
    State.CANCELLED: frozenset({State.WAITING}),
    State.DROPPED: frozenset({State.WAITING}),
    State.PARKED: frozenset({State.WAITING, State.CANCELLED}),
}
"""From each state, the states a task may go to. Every move in every engine is guarded by this table.

One that has ended goes back to `waiting` only when somebody asks for it.
"""

UNFINISHED = frozenset({State.HELD, State.WAITING, State.RUNNING, State.PARKED})
FINISHED = frozenset(State) - UNFINISHED


def origins_of(target: State) -> tuple[State, ...]:
    """The states from which a task may move to `target`, in order of their numbers."""
    return tuple(state for state in State if target in MOVES[state])


@dataclass(frozen=True, slots=True)
class Terms:
    """What was asked of a task's run.

    company: it runs in lane `alone`, in a process with at most that many attempts; None for any number.
    timeout: seconds that an attempt may take. memory: bytes that it may take beyond what its process has.
    """

    company: int | None = None
    timeout: float | None = None
    memory: int | None = None


NO_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task as it is handed to the journal.

    `arguments` is JSON text, or None for a task that cannot travel (lane `inline`). With `terms.company` it runs in
    lane `alone`; `lane` then says how its function is called. `code` is a hash of its function's code: what was
    learned about other code does not hold. `follows` is the id of the task that has to end for good before this one
    starts. `origin` says who asked, for example `GET /orders`. `context` has the values of the request's context
    variables as JSON, None for none. Times are seconds since the epoch.
    """

    id: int
    function: str
    arguments: str | None
    lane: Lane
    state: State
    created_at: float
    origin: str
    follows: int | None = None
    terms: Terms = NO_TERMS
    code: str = ""
    context: str | None = None


def renumbered(task: NewTask, new: Mapping[int, int]) -> NewTask:
    """The same task where some have got new ids, itself or the one that it follows."""
    follows = task.follows and new.get(task.follows, task.follows)
    return replace(task, id=new.get(task.id, task.id), follows=follows)


@dataclass(frozen=True, slots=True)
class Claimed:
    """One attempt that the runner has the right to settle; `(id, attempt)` is its fencing token.

    `lane` is how its function is called, `loop` or `thread`. `cuts` counts how often it ran when everything went
    down at once. `timeout` (seconds) and `memory` (bytes) are those of its terms. One that was claimed behind another
    has not `begun`: it `follows` that task, which has to end for good before. `context` is that of the task, `home`
    whose it is.
    """

    id: int
    attempt: int
    crashes: int
    cuts: int
    function: str
    arguments: str
    lane: Lane
    timeout: float | None = None
    memory: int | None = None
    follows: int | None = None
    home: Home = NO_HOME
    begun: bool = True
    context: str | None = None

    @property
    def size(self) -> int:
        """How much text is handed over with it, in characters."""
        return len(self.arguments) + len(self.context or "")


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of one attempt and what becomes of its task.

    `company`: from now on it runs in lane `alone`, in a process with at most that many attempts, itself included.
    `cuts`: how much is added to that count of its task.
    """

    id: int
    attempt: int
    end: End
    state: State
    reason: str = ""  # one sentence, empty for a plain `done`
    traceback: str = ""
    company: int | None = None
    cuts: int = 0


class TaskIds(OfOneProcess):
    """Makes task ids: 41 bits of milliseconds since 2026 (enough until 2095), then who made it, then a count.

    A process that the journal knows has 11 bits of its row's number and counts in the other 10, so that two of them
    never make the same id; more than 1023 ids in one millisecond are taken from the next. One that is not known yet
    has a 1 and 21 random bits instead, until its first transaction: if two such meet in one millisecond on one number,
    the journal refuses the second task, it never overwrites the first. Ids of one process rise strictly, also when
    the clock is set back.
    """

    LOW_BITS = 22
    COUNT_BITS = 10
    KNOWN = 1 << 11  # processes whose numbers differ
    _UNKNOWN = 1 << 21
    BEGINNING = 1_767_225_600.0  # 2026-01-01 UTC, in seconds since the epoch

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._member: int | None = None
        # its own, so that no user seeds it; to ask the system each time lets go of the GIL (measured)
        self._random = Random()  # noqa: S311
        this.forks.tell(self)

    def after_fork_in_child(self) -> None:
        """A forked process is another one, which nobody knows yet."""
        self._member = None
        self._random.seed()

    def belong_to(self, process: int) -> None:
        """From now on this process is known by its row in the journal."""
        self._member = process % self.KNOWN

    def next(self, now: float | None = None) -> int:
        """A new id, a positive integer below 2**63. `now` is in seconds since the epoch."""
        clock = int(((time.time() if now is None else now) - self.BEGINNING) * 1000)
        with self._lock:
            fresh = self._first_in(max(0, clock))
            if fresh <= self._last:
                fresh = self._last + 1 if self._can_count_on() else self._first_in((self._last >> self.LOW_BITS) + 1)
            self._last = fresh
            return fresh

    def _first_in(self, millisecond: int) -> int:
        """The first id that this process may make in a millisecond; any of them as long as nobody knows it."""
        if self._member is None:
            low = self._UNKNOWN | self._random.getrandbits(self.LOW_BITS - 1)
        else:
            low = self._member << self.COUNT_BITS | 1  # so that none is 0
        return millisecond << self.LOW_BITS | low

    def _can_count_on(self) -> bool:
        """Whether the last id is of this process, which has not used up its millisecond."""
        low = self._last & (1 << self.LOW_BITS) - 1
        return low >> self.COUNT_BITS == self._member and (low + 1) % (1 << self.COUNT_BITS) > 0

    def rise_above(self, newest: int) -> None:
        """Let all ids from now on be larger than `newest`, which another process made.

        Its clock may have been ahead, but one that was wrong by more than a day is not followed. What this process
        adds before it has read the journal for the first time may be older by its id.
        """
        tomorrow = int((time.time() + 86_400 - self.BEGINNING) * 1000)
        with self._lock:
            if newest >> self.LOW_BITS <= tomorrow:
                self._last = max(self._last, newest)

    @classmethod
    def made_at(cls, task_id: int) -> float:
        """When an id was made, in seconds since the epoch, by the clock of its process."""
        return cls.BEGINNING + (task_id >> cls.LOW_BITS) / 1000


_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_DIGITS = {letter: value for value, letter in enumerate(_ALPHABET)}
SHOWN_LENGTH = 13
LARGEST_ID = 2**63 - 1


def shown(task_id: int) -> str:
    """The form of an id that people see: 13 letters and digits, sorted by time like the ids themselves."""
    return "".join(_ALPHABET[(task_id >> shift) & 31] for shift in range(60, -1, -5))


def number_of(task: int | str) -> int:
    """The number of a whole id in its shown form; a number stays as it is. Raises TaskNotFound."""
    if isinstance(task, int):
        return task
    try:
        low, high = id_range(task)
    except ValueError as error:
        raise TaskNotFound(str(error)) from None
    if low != high:
        raise TaskNotFound(f"{task!r} is only the beginning of a task id: ids have {SHOWN_LENGTH} letters")
    return low


def id_range(prefix: str) -> tuple[int, int]:
    """The lowest and the highest id whose shown form starts with `prefix`.

    Raises ValueError when `prefix` is empty, too long, or has a letter that no id has.
    """
    text = prefix.strip().lower()
    if not 0 < len(text) <= SHOWN_LENGTH or any(letter not in _DIGITS for letter in text):
        raise ValueError(f"{prefix!r} is not a task id: ids have up to {SHOWN_LENGTH} of the letters {_ALPHABET}")
    value = 0
    for letter in text:
        value = (value << 5) | _DIGITS[letter]
    shift = 5 * (SHOWN_LENGTH - len(text))
    if value << shift > LARGEST_ID:
        raise ValueError(f"{prefix!r} is not a task id: it is larger than any")
    return value << shift, min(((value + 1) << shift) - 1, LARGEST_ID)
