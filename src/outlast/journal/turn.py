"""What a runner asks of a journal in one of its turns, as one batch: all that it has to write, and what it wants then.

An engine may take the batch as often as it has to until it is stored, since nothing in it depends on an answer.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from outlast.journal.contract import Journal, Parked, ProcessEntry
from outlast.journal.schedules import ScheduleChange
from outlast.system.deployment import Home
from outlast.tasks.limits import Limit
from outlast.tasks.log import TaskLog
from outlast.tasks.task import Claimed, Lane, Settlement
from outlast.watch.incident import Incident

CLAIM_BYTES = 16 << 20
"""Arguments that one claim takes at most, but for a few tasks' more."""
Source = tuple[Lane, Home]
"""A lane, and whose tasks wait in it."""


class NotIntroduced(Exception):
    """Another store has come to the path: nothing was done, since it may know neither the runner nor its tasks."""


@dataclass(frozen=True, slots=True)
class Introduction:
    """For a store that has come to the path: who is there, with their ids, and the attempts that are not settled."""

    processes: Sequence[tuple[int, ProcessEntry]]
    attempts: Sequence[Claimed]


@dataclass(frozen=True, slots=True)
class Began:
    """An attempt that was claimed behind another has begun, at `at` seconds since the epoch."""

    task_id: int
    attempt: int
    at: float


@dataclass(frozen=True, slots=True)
class Reached:
    """How far an attempt has come, None for nothing new.

    progress: JSON, see `outlast.tasks.progress`. checkpoint: JSON of what the next attempt gets. log: what it has
    printed and logged since.
    """

    task_id: int
    attempt: int
    progress: str | None = None
    checkpoint: str | None = None
    log: TaskLog | None = None

    def and_then(self, newer: Reached) -> Reached:
        """Both in one, of the same attempt."""
        progress = self.progress if newer.progress is None else newer.progress
        checkpoint = self.checkpoint if newer.checkpoint is None else newer.checkpoint
        log = self.log.and_then(newer.log) if self.log and newer.log else self.log or newer.log
        return Reached(self.task_id, self.attempt, progress, checkpoint, log)


@dataclass(frozen=True, slots=True)
class Burial:
    """A web worker is dead: what it held runs, but for inline tasks, which never will; what ran in it has failed.

    never_ran, cut: the reasons of the ones and of the others, one sentence each.
    """

    process_id: int
    never_ran: str
    cut: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A process has ended, and how."""

    process_id: int
    how: str


@dataclass(frozen=True, slots=True)
class Learned:
    """A function has blocked an event loop for so many seconds; `code` is the hash of its code.

    With this code it runs in lane `alone` from now on.
    """

    function: str
    code: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Known:
    """Code knows tasks that are parked, or misses something else: of those that were parked before `before`."""

    group: Parked
    before: float


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finished tasks are kept: done ones for `done` seconds and the newest `count` at most, others for
    `failed` seconds, as incidents and processes that have ended are.

    beyond: what `surplus` has said of `count`. most: how many are forgotten in one turn.
    """

    done: float
    count: int
    failed: float
    beyond: int = 0
    most: int = 512


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one pool has room for: of each lane so many, from these sources in this order, and `behind` behind them.

    Fewer come when their arguments have come to CLAIM_BYTES. Those behind are of lanes `loop` and `thread`, each
    follows the one before, none has done harm and none is large. They have not begun, and are no more than reserved
    until it is said that they began: settled as waiting, each waits for the one before.
    """

    sources: Sequence[Source]
    room: Mapping[Lane, int]
    behind: int = 0


@dataclass(frozen=True, slots=True)
class WantedApart:
    """For so many processes, each of its own, a task of lane `alone` of these, and what may be in it together.

    suspects: only what ran at least twice when everything went down; without, only others.
    """

    homes: Sequence[Home]
    processes: int = 1
    suspects: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """The batch of the runner with the id `runner`, in the order in which it is done.

    file: the store that knows the runner (`Journal.file`): with another one it has to bring its introduction; None: it
    does not matter.
    queues: the limits of queues from now on, by name, of all that have some; None: they are as they were.
    keep: what is past that is forgotten, and `Care.retention` knows it from then on if there is a runner (not 0).
    """

    runner: int
    file: Hashable = None
    introduction: Introduction | None = None
    began: Sequence[Began] = ()
    reached: Sequence[Reached] = ()
    ended: Sequence[Settlement] = ()
    burials: Sequence[Burial] = ()
    gone: Sequence[Gone] = ()
    learned: Sequence[Learned] = ()
    known: Sequence[Known] = ()
    happened: Sequence[Incident] = ()
    schedules: Sequence[ScheduleChange] = ()
    wanted: Sequence[Wanted] = ()
    apart: Sequence[WantedApart] = ()
    queues: Mapping[str, Limit] | None = None
    keep: Retention | None = None


@dataclass(frozen=True, slots=True)
class Buried:
    """Of a web worker that is dead: the inline tasks that never ran, each with its function, and what ran in it."""

    never_ran: Sequence[tuple[int, str]] = ()
    cut: Sequence[Claimed] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """The attempts for a pool, and the sources that have no more."""

    attempts: Sequence[Claimed] = ()
    dry: frozenset[Source] = frozenset()


@dataclass(frozen=True, slots=True)
class TakenApart:
    """For each process the attempts that share it, and those of whom nothing more waits in lane `alone`."""

    groups: Sequence[Sequence[Claimed]] = ()
    dry: frozenset[Home] = frozenset()


@dataclass(frozen=True, slots=True)
class Answers:
    """To a turn; `buried`, `taken` and `apart` in the order of what was asked.

    adopted: how many attempts of an introduction the store did not know.
    settled: the tasks whose attempt's end was taken: the others are no longer this runner's.
    forgotten: how many tasks, incidents and processes that were past keeping.
    next_in: seconds until the next task may begin, or expires, that has a time; None if none has.
    """

    adopted: int = 0
    settled: Sequence[int] = ()
    buried: Sequence[Buried] = ()
    taken: Sequence[Taken] = ()
    apart: Sequence[TakenApart] = ()
    forgotten: int = 0
    next_in: float | None = None


class RunnersJournal(Journal, Protocol):
    """A journal as a runner asks it."""

    def turn(self, turn: Turn) -> Answers:
        """Do all of it in one transaction of its own. Raises NotIntroduced, and errors as `Journal` says.

        A settlement whose attempt is no longer the newest one of a running task changes nothing. What is past keeping
        is forgotten by a clock that nobody has set forth since the journal was opened; what was learned of a function
        goes when neither a task nor a stall of it was seen for long.
        """
        ...
