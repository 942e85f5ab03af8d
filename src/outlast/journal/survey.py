"""What a dashboard asks of a journal: answers that take as long with a million tasks as with a hundred.

So counts end somewhere, and who searches looks through so many tasks at a time, and is told where to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from outlast.journal.read import IncidentCounts, Presence
from outlast.tasks.task import State

MOST_COUNTED = 10_000  # more are not counted
MINUTE = 60  # seconds


@dataclass(frozen=True, slots=True)
class Search:
    """Which tasks are meant. What is empty says nothing; times are seconds since the epoch.

    name: what the path of their function has in it. key, queue: those that they have and are in. text: what their
        function, key, reason or origin has in it, in letters (of A to Z) of any case, or the whole id of one; arguments
        and results are not searched, or what is secret in them could be found by trying.
    since, until: when they were added; 0 for any time.
    """

    states: tuple[State, ...] = ()
    name: str = ""
    key: str = ""
    text: str = ""
    since: float = 0.0
    until: float = 0.0
    queue: str = ""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Behind which task a search goes on: its id, and when it ended where that is the order, else 0."""

    at: float
    id: int


@dataclass(frozen=True, slots=True)
class Found:
    """The numbers of tasks, the newest first. cursor: where more may be; None if these are all."""

    ids: tuple[int, ...]
    cursor: Cursor | None


@dataclass(frozen=True, slots=True)
class Overview:
    """How many tasks are in each state, and who is there.

    counts: more than MOST_COUNTED are not counted, and one more is given. oldest: when that was added which is the
        first in line; None where nothing waits. elsewhere: by host, how many processes of others have not left.
    blockers: the functions that run alone since they have blocked an event loop, and for how long at most (s).
    incidents: those of the last day.
    """

    counts: dict[str, int]
    oldest: float | None
    processes: tuple[Presence, ...]
    elsewhere: dict[str, int]
    blockers: dict[str, float]
    incidents: IncidentCounts


@dataclass(frozen=True, slots=True)
class Minute:
    """How many tasks ended in one minute. number: minutes since the epoch."""

    number: int
    done: int
    failed: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that has failed. traceback: the end of that of its last attempt, empty for none."""

    id: int
    function: str
    reason: str
    at: float
    traceback: str


@dataclass(frozen=True, slots=True)
class Extent:
    """How large a journal is, in bytes. log: what is not yet written back into it. version: of its schema.

    free: what is in it of what was forgotten, which it fills before it grows.
    """

    file: int
    log: int
    version: int
    free: int = 0


@dataclass(frozen=True, slots=True)
class Growth:
    """What one hour has brought. tasks: how many were added; more than MOST_COUNTED are not counted, and one more is
    given.

    each: bytes that one of the newest of them has on average: names, arguments, context, result, tracebacks, and what
    it has printed and logged; without what the journal needs to find it.
    """

    tasks: int
    each: int


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as the journal has it. concurrency: 0 for any. rate: such as "10/s", empty for any.

    waiting, running: how many of its tasks do; more than MOST_COUNTED are not counted, and one more is given.
    paused_at: seconds since the epoch, None if it is not paused.
    """

    name: str
    concurrency: int = 0
    rate: str = ""
    waiting: int = 0
    running: int = 0
    paused_at: float | None = None


class Survey(Protocol):
    """Reads only. Any verb raises JournalUnusable when the journal cannot be read."""

    def overview(self, now: float) -> Overview:
        """Counts and processes."""
        ...

    def search(self, search: Search, after: Cursor | None = None, limit: int = 50) -> Found:
        """Tasks that are meant, at most `limit`: in the order of their ends if all have ended, else as they were added.

        It looks through a few thousand at a time: `cursor` is there although nothing was found, if there are more.
        """
        ...

    def ends(self, since: int, until: int) -> list[Minute]:
        """How many tasks were done and have failed in each minute from `since` to before `until`, if any."""
        ...

    def waits(self, limit: int = 500) -> Sequence[float]:
        """For how many seconds the newest done tasks had waited that could have begun at once."""
        ...

    def failures(self, limit: int = 2000) -> list[Failure]:
        """The tasks that have failed last, the newest first."""
        ...

    def queues(self) -> list[Queue]:
        """Those that tasks are in, that have limits or are paused, by name."""
        ...

    def extent(self) -> Extent:
        """How large it is."""
        ...

    def growth(self, now: float) -> Growth:
        """What was added in the hour before `now`."""
        ...
