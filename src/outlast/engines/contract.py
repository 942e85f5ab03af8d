"""What an engine has to do: the verbs of the journal, and the records that cross its border."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from outlast.deployments import NO_HOME, Home
from outlast.incidents import Incident
from outlast.tasks import Claimed, Lane, NewTask, Settlement, State

CLAIM_BYTES = 16 << 20
"""Arguments that one claim takes at most, but for a few tasks' more."""


@dataclass(frozen=True, slots=True)
class Add:
    """Store a new task, in the state it carries (`held` or `waiting`)."""

    task: NewTask


@dataclass(frozen=True, slots=True)
class Release:
    """The response of a held task is over: let it run."""

    id: int


@dataclass(frozen=True, slots=True)
class Drop:
    """A held task will not run, for this reason (one sentence)."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """A task shall not run, or not go on."""

    id: int


@dataclass(frozen=True, slots=True)
class Retry:
    """A task that has ended or is parked shall run again."""

    id: int


@dataclass(frozen=True, slots=True)
class Begin:
    """A held task of lane `inline` starts in its own web worker. It is attempt 1."""

    id: int


@dataclass(frozen=True, slots=True)
class Settle:
    """An attempt in this process has ended."""

    settlement: Settlement


@dataclass(frozen=True, slots=True)
class Note:
    """Something happened to a process of this machine."""

    incident: Incident


Change = Add | Release | Drop | Cancel | Retry | Begin | Settle | Note
"""One thing a web worker or a child asks of the journal. The writer puts many into one transaction."""


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """A process that takes part: `kind` is `web`, `runner` or `child`; `machine` is its host's name."""

    kind: str
    pid: int
    machine: str
    started_at: float


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finished tasks are kept: done ones for `done` seconds and the newest `count` at most, others for
    `failed` seconds, as incidents and processes that have ended are."""

    done: float
    count: int
    failed: float


@dataclass(frozen=True, slots=True)
class Parked:
    """`count` tasks of one function that the code does not know for one reason; `example` is the oldest of them.

    home: whose they are from now on, None for those who asked for them.
    """

    example: Claimed
    reason: str
    count: int
    home: Home | None = None


class Journal(Protocol):
    """The place where tasks are remembered. One instance is used by one thread of one process.

    Every verb but `transaction` and `close` is called inside `with journal.transaction()`. A verb that moves tasks
    is guarded by the table of moves, writes an event for each move it made, and returns what it moved: a task that is
    missing from the answer was not in a state that allows the move. Errors of the store are raised as
    `StoreFailed` (full, locked, unreadable for now), `JournalUnusable` (for good), or `TaskRefused` when something that
    was to be stored can be stored in no journal: then all else can be, without it. A row that is there and cannot be
    read ends its own task.
    """

    @property
    def file(self) -> Hashable:
        """Which store is open. Another value in a later transaction: it may know neither who uses it nor their tasks.

        Then enter again, with the same id, and `adopt` what is in hand.
        """
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All verbs called inside are durable together when the block ends, or none is."""
        ...

    def add(self, tasks: Iterable[NewTask], owner: int, home: Home = NO_HOME) -> None:
        """Store tasks of `home`; `owner` is the process id (row) that will release or drop the held ones.

        Raises IdTaken when another task has the id of one of them, and then stores none.
        """
        ...

    def release(self, ids: Iterable[int], now: float) -> int:
        """Move held tasks to `waiting`; returns how many."""
        ...

    def drop(self, drops: Iterable[Drop], now: float) -> list[int]:
        """Move held tasks to `dropped`."""
        ...

    def cancel(self, ids: Iterable[int], now: float) -> dict[int, bool]:
        """Move tasks that have not begun to `cancelled`, and mark those that run in a child as to be stopped.

        Returns for each task that is known whether it is cancelled, now or before, or to be stopped. What is marked
        never waits again: a settlement that would let it, ends it as `cancelled`. One that runs inline goes on.
        """
        ...

    def retry(self, ids: Iterable[int], now: float) -> dict[int, bool]:
        """Let tasks run again that have ended or are parked: they wait, behind nobody, and their attempts count on.

        Returns for each task that is known whether it waits now: one of lane `inline` cannot run elsewhere.
        """
        ...

    def delete(self, ids: Iterable[int]) -> dict[int, bool]:
        """Forget tasks that have ended or are parked; returns for each that is known whether it is gone."""
        ...

    def parked(self) -> Sequence[Parked]:
        """The parked tasks, by home, function and reason, the largest groups first. Also outside of a transaction."""
        ...

    def unpark(self, group: Parked, before: float, now: float) -> int:
        """Move those of a group that were parked before `before` back to `waiting`; returns how many it were."""
        ...

    def cancels_of(self, owner: int) -> Sequence[int]:
        """The running tasks of a runner that are marked as to be stopped. Also outside of a transaction."""
        ...

    def begin(self, ids: Iterable[int], owner: int, now: float) -> list[int]:
        """Move held inline tasks to `running`, owned by their web worker."""
        ...

    def claim(
        self, runner: int, lane: Lane, limit: int, now: float, behind: int = 0, home: Home = NO_HOME
    ) -> list[Claimed]:
        """Move up to `limit` tasks of `home` in `lane` that are due from `waiting` to `running`, oldest first.

        Fewer when their arguments have come to CLAIM_BYTES. Up to `behind` more are those that follow them, one behind
        the other, of lanes `loop` and `thread`, where none has done harm and none is large. They have not begun, and
        are no more than reserved until `began` is said of them: settled as waiting, each waits for the one before.
        """
        ...

    def began(self, attempts: Iterable[tuple[int, int, float]]) -> None:
        """Of attempts that were claimed behind others, as (task, attempt, when): those have ended, these run now."""
        ...

    def claim_company(self, runner: int, now: float, *, suspects: bool = False, home: Home = NO_HOME) -> list[Claimed]:
        """Take the oldest due task of `home` in lane `alone`, and others of the same `company`, as many as it allows.

        `suspects`: only one that ran at least twice when everything went down; without, only others.
        """
        ...

    def has_suspect(self, now: float, home: Home = NO_HOME) -> bool:
        """Whether `claim_company` would find a suspect. Also outside of a transaction."""
        ...

    def learn(self, function: str, code: str, seconds: float, now: float) -> None:
        """A function has blocked an event loop: with this code (a hash) it runs in lane `alone` from now on."""
        ...

    def settle(self, settlements: Iterable[Settlement], now: float) -> list[int]:
        """End attempts. A settlement whose attempt is no longer the newest one of a running task changes nothing."""
        ...

    def due(self, now: float) -> Sequence[tuple[Lane, Home]]:
        """The lanes in which a task is ready to be claimed, and whose it is. Also outside of a transaction.

        It takes no longer when more tasks wait, only when those of more releases do.
        """
        ...

    def running_of(self, owner: int) -> Sequence[Claimed]:
        """The attempts that a process had claimed and not settled."""
        ...

    def held_of(self, owner: int) -> Sequence[tuple[int, Lane, str]]:
        """The tasks that a web worker had stored and neither released nor dropped, each with its function."""
        ...

    def unknown(self, tasks: Iterable[int]) -> set[int]:
        """Those of `tasks` that the journal does not have."""
        ...

    def adopt(self, attempts: Iterable[Claimed], owner: int, now: float) -> int:
        """Store attempts that run although the journal does not know their tasks; returns how many it were."""
        ...

    def enter(self, process: ProcessEntry, known: int = 0) -> int:
        """Record a process; returns its id, by which tasks name their owner: `known` if it has one.

        No other process ever gets it, also not when this transaction is rolled back.
        """
        ...

    def leave(self, process: int, reason: str, now: float) -> None:
        """Record that a process has ended and how."""
        ...

    def present(self, kind: str) -> Sequence[tuple[int, int]]:
        """The processes of a kind that have not left: (process id, pid). Also outside of a transaction.

        The name of a machine changes with each container, so it is recorded but never asked for.
        """
        ...

    def note(self, incidents: Iterable[Incident], now: float) -> None:
        """Record what happened to processes of this machine.

        A stall whose culprit is named joins the record of the last day (86 400 s before `now`) with the same cause,
        kind of process, culprit and machine: that counts it, and tells of the newest and of the longest. A death
        is always a record of its own. The newest 1000 records are kept at most.
        """
        ...

    def surplus(self, count: int) -> int:
        """The newest done task that is not among the newest `count` of them, by their ids; 0 for none.

        Also outside of a transaction, where it belongs: it may take long.
        """
        ...

    def listen(self, states: Collection[State]) -> None:
        """From now on note the ends of tasks in these states, in the transaction of the end, until they are told."""
        ...

    def prune(self, keep: Retention, limit: int, now: float, beyond: int = 0) -> int:
        """Forget up to `limit` finished tasks, incidents and ended processes that are past keeping, in a short time.

        Returns how many it were: 0 when there was nothing. `beyond` is what `surplus` has said of `keep.count`. What
        was learned of a function goes when neither a task nor a stall of it was seen for long.
        """
        ...

    def unfinished(self) -> int:
        """How many tasks have not ended. Also outside of a transaction."""
        ...

    def newest(self) -> int:
        """The largest id of a task, 0 when there is none. Also outside of a transaction."""
        ...

    def close(self) -> None:
        """Give back what is open. A closed journal can be used again."""
        ...

    def forget(self) -> None:
        """In a forked process: use nothing that its parent has opened. Opened anew when it is used again."""
        ...
