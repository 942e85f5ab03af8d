"""A task, its states, and the one table of the moves between them.

What is made for every task is a tuple with names: that takes a quarter of what a frozen dataclass does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from outlast.system.deployment import NO_HOME, Home
from outlast.tasks.limits import NO_LIMITS, Limits
from outlast.tasks.policy import NO_POLICY, FailurePolicy


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
    State.WAITING: frozenset({State.RUNNING, State.CANCELLED, State.DROPPED}),
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


@dataclass(frozen=True)
class Call:
    """A function and its arguments, given: and options. takes: it gets something of what runs before it."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    takes: bool = True


@dataclass(frozen=True, slots=True)
class Sequels:
    """What runs when a task is done, and what when it has failed."""

    then: Call | None = None
    on_failure: Call | None = None


NO_SEQUELS = Sequels()


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """What was asked of a task's run.

    group_size: it runs in lane `alone`, in a process with at most that many attempts; None for any number.
    timeout: seconds that an attempt may take. memory: bytes that it may take beyond what its process has.
    policy: what becomes of it after an attempt that failed or was cut. delay: seconds before which it is not begun.
    run_at: the same as seconds since the epoch. expires: seconds after which it is not begun any more.
    priority: minutes that it goes ahead in line.
    key: no other task of its function with the same one is stored while it is unfinished, nor for `key_for` seconds.
    limits: of its queue and of its function.
    sequels: what runs after it.
    """

    group_size: int | None = None
    timeout: float | None = None
    memory: int | None = None
    policy: FailurePolicy = NO_POLICY
    delay: float = 0.0
    run_at: float | None = None
    expires: float | None = None
    priority: int = 0
    key: str | None = None
    key_for: float = 0.0
    limits: Limits = NO_LIMITS
    sequels: Sequels = NO_SEQUELS

    @property
    def most_together(self) -> int | None:
        """`group_size`, but one whose memory is limited is alone: what is measured is that of its process."""
        return self.group_size if self.memory is None else 1

    def not_before(self, now: float) -> float | None:
        """When it may begin (s since the epoch), of one that could `now`; None for at once."""
        at = now + self.delay if self.run_at is None else self.run_at
        return at if at > now else None


NO_OPTIONS = TaskOptions()


class NewTask(NamedTuple):
    """A task as it is handed to the journal.

    `arguments` is JSON text, or None for a task that cannot travel (lane `inline`). With `options.group_size` it runs
    in lane `alone`; `lane` then says how its function is called. `code` is a hash of its function's code: what was
    learned about other code does not hold. `follows` is the id of the task that has to end for good before this one
    starts. `origin` says who asked, for example `GET /orders`. `context` has the values of the request's context
    variables as JSON, None for none. `sequels` are stored with it. `stashed` are the names of files that are kept for
    it while it is unfinished. Times are seconds since the epoch.
    """

    id: int
    function: str
    arguments: str | None
    lane: Lane
    state: State
    created_at: float
    origin: str
    follows: int | None = None
    options: TaskOptions = NO_OPTIONS
    code: str = ""
    context: str | None = None
    sequels: tuple[Sequel, ...] = ()
    stashed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sequel:
    """A task that runs after others, `before` by their ids, and gets something of them: `outlast.tasks.sequel.Gets`.

    parameters: the names of its function's parameters for that. call: where it is not stored, but called.
    """

    task: NewTask
    before: tuple[int, ...]
    gets: str
    parameters: tuple[str, ...] = ()
    call: Call | None = None


def sequels_of(tasks: Sequence[NewTask]) -> Iterator[Sequel]:
    """All that runs after these, each behind what it runs after."""
    for task in tasks:
        for sequel in task.sequels:
            yield sequel
            yield from sequels_of([sequel.task])


def renumbered(task: NewTask, new: Mapping[int, int]) -> NewTask:
    """The same task where some have got new ids, itself, or one that it follows or runs after."""
    follows = task.follows and new.get(task.follows, task.follows)
    sequels = tuple(
        replace(one, task=renumbered(one.task, new), before=tuple(new.get(before, before) for before in one.before))
        for one in task.sequels
    )
    return task._replace(id=new.get(task.id, task.id), follows=follows, sequels=sequels)


class Claimed(NamedTuple):
    """One attempt that the runner has the right to settle; `(id, attempt)` is its fencing token.

    `lane` is how its function is called, `loop` or `thread`. `cuts` counts how often it ran when everything went
    down at once. `timeout` (seconds) and `memory` (bytes) are those of its options. One that was claimed behind another
    has not `begun`: it `follows` that task, which has to end for good before. `context` is that of the task, `home`
    whose it is. policy: what becomes of it if it fails or is cut; `retried`: how often it has been tried again.
    checkpoint: where an attempt before has come to, as JSON; None if it has not said so. queue: empty for none.
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
    policy: FailurePolicy = NO_POLICY
    retried: int = 0
    checkpoint: str | None = None
    queue: str = ""

    @property
    def size(self) -> int:
        """How much text is handed over with it, in characters."""
        return len(self.arguments) + len(self.context or "") + len(self.checkpoint or "")


class Settlement(NamedTuple):
    """The end of one attempt and what becomes of its task.

    `group_size`: from now on it runs in lane `alone`, in a process with at most that many attempts, itself included.
    `cuts`, `retried`: how much is added to these counts of its task. delay: seconds before it is run again.
    result: what it has returned, see outlast.functions.results; None for None.
    """

    id: int
    attempt: int
    end: End
    state: State
    reason: str = ""  # one sentence, empty for a plain `done`
    traceback: str = ""
    group_size: int | None = None
    cuts: int = 0
    retried: int = 0
    delay: float = 0.0
    result: str | None = None
