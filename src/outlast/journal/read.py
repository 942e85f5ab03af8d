"""The read side of a journal, for people: what it has to answer, and the records that it answers with.

It never writes and never waits for a writer. What it gives is clean and bounded, and values are redacted.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypedDict

from outlast.tasks.progress import Progress
from outlast.tasks.task import FINISHED, State


@dataclass(frozen=True, slots=True)
class FlightRecord:
    """A request or a task that was in the process. task: its id as people see it, empty for a request."""

    name: str
    seconds: float
    task: str
    lane: str


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """An incident as the journal has it; see outlast.watch.incident. Times are seconds since the epoch.

    In a list and beside a task `stack` and `flights` are left out.
    """

    id: int
    kind: str
    cause: str
    process: str
    pid: int
    machine: str
    first_at: float
    last_at: float
    times: int
    seconds: float
    culprit: str
    sentence: str
    stack: str = ""
    flights: tuple[FlightRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a task, at `at` seconds since the epoch."""

    at: float
    kind: str
    attempt: int
    reason: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Record:
    """A task as the journal has it. Times are seconds since the epoch, None when not yet.

    arguments, context: those of its function, and the values of its request's context variables, as JSON, without what
        is secret; empty for none. app, release: whose it is, empty
        where nobody knows.
    key: of which its function has one unfinished task; empty for none.
    queue: its name, empty for none. held_back: of one that is ready, what it waits for beside its turn: `paused`, if
        its queue is, or `limited`, the limits that hold for it; empty for neither.
    progress: how far its newest attempt has come, as that says; None if it does not.
    run_at: before which one that waits is not begun; None where it only waits for its turn, or for another task.
    result: what it has returned, as JSON, without what is secret; empty for none, and for None.
    blocked: for how many seconds its function has blocked an event loop at most, so that it runs alone; 0 if not.
    runs_after, then: the ids of those that it gets something of, and of those that get something of it; where one task
        is asked for, as events, `blocked` and `checkpoint` are.
    checkpoint: where its next attempt goes on, as it says, as JSON without what is secret; empty for none.
    """

    id: str
    state: str
    lane: str
    attempt: int
    crashes: int
    follows: str
    created_at: float
    started_at: float | None
    ended_at: float | None
    function: str
    arguments: str
    origin: str
    reason: str
    context: str
    app: str
    release: str
    run_at: float | None
    key: str = ""
    queue: str = ""
    held_back: str = ""
    result: str = ""
    progress: Progress | None = None
    events: tuple[Event, ...] = ()
    blocked: float = 0.0
    runs_after: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    checkpoint: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether it is done, failed, cancelled or dropped."""
        return self.state in _ENDED


@dataclass(frozen=True, slots=True)
class AttemptLog:
    """What an attempt has printed and logged. left_out: bytes before `text` that are not kept."""

    attempt: int
    text: str
    left_out: int


@dataclass(frozen=True, slots=True)
class Mark:
    """How far somebody has read what a task prints: so many bytes of that attempt, and all of those before it."""

    attempt: int
    size: int = 0


@dataclass(frozen=True, slots=True)
class Printed:
    """Whole lines that an attempt has printed and logged since, if they are kept, and until where that is.

    left_out: bytes before them that are not kept.
    """

    task: str
    lines: tuple[str, ...]
    left_out: int
    until: Mark


TaskRecord = Record
"""How it is called where users name it."""

_ENDED = frozenset(state.label for state in FINISHED)


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """A schedule as the journal has it. Times are seconds since the epoch.

    id: its number. state: `ticking`, `paused`, or `retired`: the newest code does not have it. when: for people.
    function, arguments: of the tasks that it makes, as of a `Record`. in_code: whether it stands there, or was asked
    for at run time. missed: what becomes of missed ticks. next_at: its next tick, None if it is not known. asked_at:
    when somebody wanted it to run, who has not been heard yet. last_at, last_task: its newest tick, and its task.
    reason: why it is paused, where nobody has asked for that.
    """

    id: int
    name: str
    app: str
    release: str
    state: str
    when: str
    missed: str
    function: str
    arguments: str
    in_code: bool
    next_at: float | None
    asked_at: float | None
    last_at: float | None
    last_task: str
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a task stands, for the code that asked for it.

    result: what it has returned as the journal has it, with all that is in it; None for none. traceback: of its newest
    attempt, if it has not ended as done.
    """

    record: Record
    result: Any = None
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Presence:
    """A process that takes part and has not left."""

    id: int
    kind: str
    pid: int
    started_at: float


@dataclass(frozen=True, slots=True)
class IncidentCounts:
    """How many blocked loops are on record, how often each was seen in all, and how many deaths."""

    stalls: int = 0
    times: int = 0
    deaths: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """How many unfinished tasks one release of an app has."""

    app: str
    release: str
    count: int


@dataclass(frozen=True, slots=True)
class Summary:
    """How many tasks are in each state, how long the oldest waiting one has waited (s), and who is there.

    blockers: the functions that run alone since they have blocked an event loop, and for how long at most (s).
    incidents: those of the last day. parked: by function, how many the code does not know, and why, of the most.
    unfinished: whose the unfinished tasks are. elsewhere: by host, how many processes of other machines have not left.
    """

    counts: dict[str, int]
    oldest_waiting: float | None
    processes: tuple[Presence, ...]
    blockers: dict[str, float]
    incidents: IncidentCounts = IncidentCounts()
    parked: dict[str, tuple[int, str]] = field(default_factory=dict)
    unfinished: tuple[Share, ...] = ()
    elsewhere: dict[str, int] = field(default_factory=dict)


class Which(TypedDict, total=False):
    """Of which tasks it is asked. name: what the path of their function, `module:name`, has in it. key,
    queue: the one that they have, are in."""

    name: str
    key: str
    queue: str


class History(Protocol):
    """What a journal knows. Any verb raises JournalUnusable when it cannot be read."""

    def tasks(
        self,
        states: Sequence[State] = (),
        name: str = "",
        limit: int = 50,
        since: float = 0.0,
        key: str = "",
        queue: str = "",
    ) -> list[Record]:
        """The newest tasks first, of these states (none given: all) and with `name` in their function's path.

        since: those that were added from then on (seconds since the epoch). key, queue: those that have it, are in it.
        """
        ...

    def ids(self, states: Sequence[State], name: str = "") -> list[int]:
        """The numbers of all tasks of these states with `name` in their function's path, the oldest first."""
        ...

    def tasks_of(self, ids: Iterable[str]) -> dict[str, Record]:
        """Those of these tasks (whole ids) that are in the journal, by id."""
        ...

    def version(self) -> Hashable:
        """As long as it is the same, nothing has changed; None when another journal has come to the place of this."""
        ...

    def secret(self) -> bytes:
        """Random bytes that only this journal has; empty for one that is older than those."""
        ...

    def have_ended(self, ids: Iterable[int]) -> dict[int, bool]:
        """Of those of these tasks that are in the journal, whether they have ended."""
        ...

    def standings(self, ids: Iterable[int]) -> dict[int, Standing]:
        """How those of these tasks stand that are in the journal."""
        ...

    def task(self, prefix: str) -> Record:
        """One task with its events, by id or unique beginning of one. Raises TaskNotFound."""
        ...

    def logs_of(self, task: str) -> list[AttemptLog]:
        """What the attempts at this task (whole id) have printed and logged, of those that have."""
        ...

    def summary(self, now: float) -> Summary:
        """Counts, age of the oldest task that waits for nobody before it, processes."""
        ...

    def schedules(self) -> list[ScheduleRecord]:
        """All of them, by app and name."""
        ...

    def incidents(self, limit: int = 20) -> list[IncidentRecord]:
        """What happened to processes, the newest first, without stacks and what was in them."""
        ...

    def incident(self, number: str) -> IncidentRecord:
        """One of them, whole. Raises IncidentNotFound."""
        ...

    def incidents_of(self, task: str, limit: int = 5) -> list[IncidentRecord]:
        """The newest incidents that this task (whole id) was in, without stacks and what else was in them."""
        ...


class LogReader(Protocol):
    """What tasks print and log, for who reads on. Raises JournalUnusable when the journal cannot be read."""

    def since(self, marks: Mapping[str, Mark]) -> list[Printed]:
        """Of these tasks (whole ids) what has come since: lines, the last of an attempt when that is over."""
        ...


class StashedFiles(Protocol):
    """What a journal knows of the files that are stashed for tasks. Raises JournalUnusable when it cannot be read."""

    def version(self) -> Hashable:
        """As of `History`."""
        ...

    def needed(self, names: Iterable[str]) -> dict[str, bool]:
        """Whether a task that has not ended has each of these files. Those that no task has are left out."""
        ...

    def of(self, task: int) -> list[str]:
        """Those that are stashed for a task."""
        ...
