"""What an engine has to do: the verbs of the journal, and the records that cross its border."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from outlast.journal.schedules import Declared, Scheduled, Schedules, Unscheduled
from outlast.system.deployment import NO_HOME, Home
from outlast.tasks.callbacks import TaskEnd
from outlast.tasks.task import Claimed, Lane, NewTask, Settlement, State
from outlast.watch.incident import Incident


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


Change = NewTask | Release | Drop | Cancel | Retry | Begin | Settlement | Incident | Declared | Scheduled | Unscheduled
"""One thing a web worker or a child asks of the journal. The writer puts many into one transaction.

A new task is stored in the state it carries, `held` or `waiting`; a settlement is that of an attempt in this process.
"""


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """A process of this machine: `kind` is `web`, `runner` or `child`; `machine` is how people call its host."""

    kind: str
    pid: int
    machine: str
    started_at: float


@dataclass(frozen=True, slots=True)
class Parked:
    """`count` tasks of one function that the code does not know for one reason; `example` is the oldest of them.

    home: whose they are from now on, None for those who asked for them.
    """

    example: Claimed
    reason: str
    count: int
    home: Home | None = None


ANY_NUMBER: Mapping[str, int] = {}


class Tasks(Protocol):
    """Tasks: stored and let run, and what people ask of them."""

    def add(
        self, tasks: Iterable[NewTask], owner: int, home: Home = NO_HOME, max_waiting: Mapping[str, int] = ANY_NUMBER
    ) -> Mapping[int, int]:
        """Store tasks of `home`; `owner` is the process id (row) that will release or drop the held ones.

        max_waiting: how many may be held or wait in a queue, by its name; any number in others.

        Returns which task each has joined that was not stored, since that one has its key. What it joined while that
        was held runs when it is released, and is dropped when all are dropped that it stands for. Who follows one
        that was not stored follows what that has joined, and what that would have followed.
        Raises IdTaken when another task has the id of one of them, QueueFull when more than may would wait in a queue,
        and then stores none.
        """
        ...

    def release(self, ids: Iterable[int]) -> int:
        """Move held tasks to `waiting`; returns how many."""
        ...

    def drop(self, drops: Iterable[Drop]) -> list[int]:
        """Move held tasks to `dropped`, and say so of those that have a key."""
        ...

    def cancel(self, ids: Iterable[int]) -> dict[int, bool]:
        """Move tasks that have not begun to `cancelled`, and mark those that run in a child as to be stopped.

        Returns for each task that is known whether it is cancelled, now or before, or to be stopped. What is marked
        never waits again: a settlement that would let it, ends it as `cancelled`. One that runs inline goes on.
        """
        ...

    def retry(self, ids: Iterable[int]) -> dict[int, bool]:
        """Let tasks run again that have ended or are parked: they wait, behind nobody, and their attempts count on.

        Returns for each task that is known whether it waits now: one of lane `inline` cannot run elsewhere, and one
        whose key another one has that is unfinished stays as it is.
        """
        ...

    def repeat(self, ended: int, new: int) -> None:
        """Store a task that asks for what one that has ended has asked for, with its options: it waits, behind nobody.

        Its delay and its time to expire are over, and nothing runs after it. What was stashed for the other one has to
        be held meanwhile. Raises NotRepeatable, or IdTaken when another task has the id `new`.
        """
        ...

    def delete(self, ids: Iterable[int]) -> dict[int, bool]:
        """Forget tasks that have ended or are parked; returns for each that is known whether it is gone."""
        ...

    def unknown(self, tasks: Iterable[int]) -> set[int]:
        """Those of `tasks` that the journal does not have."""
        ...

    def parked(self) -> Sequence[Parked]:
        """The parked tasks, by home, function and reason, the largest groups first. Also outside of a transaction."""
        ...

    def unfinished(self) -> int:
        """How many tasks have not ended. Also outside of a transaction."""
        ...

    def newest(self) -> int:
        """The largest id of a task, 0 when there is none. Also outside of a transaction."""
        ...

    def surplus(self, count: int) -> int:
        """The newest done task that is not among the newest `count` of them, by their ids; 0 for none.

        Also outside of a transaction, where it belongs: it may take long.
        """
        ...


class Attempts(Protocol):
    """Attempts: each is fenced by its task and its number. A runner claims and settles them by its turns."""

    def begin(self, ids: Iterable[int], owner: int) -> list[int]:
        """Move held inline tasks to `running`, owned by their web worker."""
        ...

    def settle(self, settlements: Iterable[Settlement]) -> list[int]:
        """End attempts. A settlement whose attempt is no longer the newest one of a running task changes nothing."""
        ...

    def next_in(self) -> float | None:
        """In how many seconds the next task may begin, or expires, that has a time. Also outside of a transaction."""
        ...

    def due(self) -> Sequence[tuple[Lane, Home]]:
        """The lanes in which a task is ready to be claimed, and whose it is. Also outside of a transaction.

        It takes no longer when more tasks wait, only when those of more releases do.
        """
        ...

    def is_waiting(self, lane: Lane) -> bool:
        """Whether any task waits in a lane, ready or not yet. Also outside of a transaction, and cheaper than `due`."""
        ...

    def has_suspect(self, home: Home = NO_HOME) -> bool:
        """Whether one is due that ran at least twice when everything went down. Also outside of a transaction."""
        ...

    def cancels_of(self, owner: int) -> Sequence[int]:
        """The running tasks of a runner that are marked as to be stopped. Also outside of a transaction."""
        ...

    def running_of(self, owner: int) -> Sequence[Claimed]:
        """The attempts that a process had claimed and not settled. In a transaction of its own."""
        ...


class Processes(Protocol):
    """Who takes part, and what happened to them."""

    def enter(self, process: ProcessEntry, known: int = 0) -> int:
        """Record a process; returns its id, by which tasks name their owner: `known` if it has one.

        No other process ever gets it, also not when this transaction is rolled back.
        """
        ...

    def present(self, kind: str) -> Sequence[tuple[int, int]]:
        """The processes of a kind that have not left: (process id, pid). Also outside of a transaction.

        Those of this machine alone, since whoever asks then asks its kernel which of them live.
        """
        ...

    def note(self, incidents: Iterable[Incident]) -> None:
        """Record what happened to processes of this machine.

        A stall whose culprit is named joins the record of the last day with the same cause, kind of process, culprit
        and machine: that counts it, and tells of the newest and of the longest. A death is always a record of its own.
        The newest 1000 records are kept at most.
        """
        ...


class Ends(Protocol):
    """Ends of tasks that callbacks of the app wait for: each is told at least once, and struck out when it was."""

    @property
    def has_untold(self) -> bool:
        """Whether an end waits to be told. Also outside of a transaction."""
        ...

    def listen(self, states: Collection[State]) -> None:
        """From now on note the ends of tasks in these states, in the transaction of the end, until they are told."""
        ...

    def take(self, teller: int, seen: Iterable[int], app: str = "") -> tuple[list[TaskEnd], list[TaskEnd]]:
        """What the process `teller` has to tell: ends it has `seen`, and those that nobody else tells in time.

        Those of another app than `app` are left to processes of that one. The second ones have cost so many processes
        their life that they are given up.
        """
        ...

    def strike(self, tasks: Iterable[int]) -> None:
        """These were told."""
        ...


class Queues(Protocol):
    """Queues, which are there as soon as somebody names them."""

    def pause(self, queue: str) -> bool:
        """Let nothing of it begin any more; False if that was so before. What runs goes on."""
        ...

    def resume(self, queue: str) -> bool:
        """The contrary; False if it was not paused."""
        ...


class Journal(Protocol):
    """The place where tasks are remembered. One instance is used by one thread of one process.

    Every verb of its parts is called inside `with journal.transaction()`, if it does not say otherwise, and what it
    stores is timed by the store's clock. A verb that moves tasks is guarded by the table of moves, and returns what it
    moved: a task that is missing from the answer was not in a state that allows the move. Errors of the store are
    raised as `StoreFailed` (full, locked, unreadable for now), `StoreUnsure` (its answer is lost, and with it whether
    it stored), `JournalUnusable` (for good), or `TaskRefused` when something that was to be stored can be stored in no
    journal: then all else can be, without it. A row that is there and cannot be read ends its own task.
    """

    @property
    def tasks(self) -> Tasks: ...

    @property
    def attempts(self) -> Attempts: ...

    @property
    def processes(self) -> Processes: ...

    @property
    def ends(self) -> Ends: ...

    @property
    def queues(self) -> Queues: ...

    @property
    def schedules(self) -> Schedules: ...

    @property
    def file(self) -> Hashable:
        """Which store is open. Another value in a later transaction: it may know neither who uses it nor their tasks.

        Then enter again, with the same id, and add what is held once more.
        """
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All verbs called inside are durable together when the block ends, or none is."""
        ...

    def open(self) -> None:
        """Open it now, and create it or bring it to this version. Raises JournalUnusable or StoreFailed."""
        ...

    def close(self) -> None:
        """Give back what is open. A closed journal can be used again."""
        ...

    def forget(self) -> None:
        """In a forked process: use nothing that its parent has opened. Opened anew when it is used again."""
        ...
