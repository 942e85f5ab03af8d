"""What the runner has to write and has not written yet. It is kept in memory until the journal takes it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from outlast import hindrances
from outlast.engines.contract import Journal, Parked
from outlast.engines.refused import bare
from outlast.errors import TaskRefused
from outlast.incidents import Incident
from outlast.runner import recovery
from outlast.tasks import Claimed, Settlement, State

log = logging.getLogger("outlast")
MOST_INCIDENTS = 1000  # that wait to be written, as many as a journal keeps; the oldest are left out first


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt is over."""

    settlement: Settlement
    attempt: Claimed


@dataclass(frozen=True, slots=True)
class Began:
    """An attempt that was claimed behind another has begun, at `at` seconds since the epoch."""

    attempt: Claimed
    at: float


@dataclass(frozen=True, slots=True)
class WebGone:
    """A web worker is dead."""

    process: int


@dataclass(frozen=True, slots=True)
class ChildGone:
    """A task process has ended, and how."""

    process: int
    how: str


@dataclass(frozen=True, slots=True)
class Learned:
    """A function has blocked an event loop for so many seconds; `code` is the hash of its code."""

    function: str
    code: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Happened:
    """Something has happened to a process."""

    incident: Incident


@dataclass(frozen=True, slots=True)
class Known:
    """A task process knows parked tasks, or misses something else: of those parked before `before`."""

    group: Parked
    before: float


Entry = Began | Ended | WebGone | ChildGone | Learned | Happened | Known


class Ledger:
    """Entries in the order in which they came. What is over in the journal is struck out by `strike`."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def page(self) -> Sequence[Entry]:
        """All that is to be written now."""
        return tuple(self._entries)

    @property
    def ended(self) -> list[Claimed]:
        """The attempts that are over and not settled."""
        return [one.attempt for one in self._entries if isinstance(one, Ended)]

    @property
    def has_ends(self) -> bool:
        """Whether there is an attempt that is over and not settled."""
        return any(isinstance(one, Ended) for one in self._entries)

    def add(self, entry: Entry) -> None:
        """To be written."""
        self._entries.append(entry)

    def add_once(self, entry: Entry) -> None:
        """To be written, if that is not so already."""
        if entry not in self._entries:
            self._entries.append(entry)

    def learn(self, newest: Learned) -> None:
        """To be written; it is said again and again of one that goes on, with more seconds."""
        self._entries = [one for one in self._entries if not _is_same_function(one, newest)]
        self._entries.append(newest)

    def add_incidents(self, incidents: Iterable[Incident]) -> None:
        """To be written; of too many, the newest."""
        self._entries += map(Happened, incidents)
        waiting = [one for one in self._entries if isinstance(one, Happened)]
        for oldest in waiting[:-MOST_INCIDENTS]:
            self._entries.remove(oldest)
            log.error("%s", hindrances.incident_left_out(MOST_INCIDENTS, oldest.incident.sentence))

    def strike(self, page: Sequence[Entry]) -> None:
        """That is in the journal, or nothing for it."""
        written = set(map(id, page))
        self._entries = [one for one in self._entries if id(one) not in written]

    def counted(self) -> dict[str, int]:
        """How many entries of each kind wait."""
        return dict(Counter(type(one).__name__ for one in self._entries))


def write(page: Sequence[Entry], journal: Journal) -> None:
    """Write entries, few statements for many. In a transaction."""
    now = time.time()
    journal.began([(one.attempt.id, one.attempt.attempt, one.at) for one in page if isinstance(one, Began)])
    journal.settle([one.settlement for one in page if isinstance(one, Ended)], now)
    if webs := [one.process for one in page if isinstance(one, WebGone)]:
        pids = dict(journal.present("web"))
        for web in webs:
            recovery.bury_web(journal, web, pids.get(web, 0))
    for one in page:
        if isinstance(one, ChildGone):
            journal.leave(one.process, one.how, now)
        elif isinstance(one, Learned):
            journal.learn(one.function, one.code, one.seconds, now)
        elif isinstance(one, Known):
            journal.unpark(one.group, one.before, now)
    journal.note([one.incident for one in page if isinstance(one, Happened)], now)


def parks(page: Sequence[Entry]) -> bool:
    """Whether a task is parked by what is on a page."""
    return any(isinstance(one, Ended) and one.settlement.state is State.PARKED for one in page)


def write_apart(page: Sequence[Entry], journal: Journal, ledger: Ledger) -> None:
    """There is something on a page that no journal takes: write in halves, so that it alone is set aside.

    Raises StoreFailed or JournalUnusable when the journal takes nothing any more; the rest waits then.
    """
    try:
        with journal.transaction():
            write(page, journal)
    except TaskRefused as error:
        if len(page) == 1:
            _set_aside(page[0], error, journal)
        else:
            half = len(page) // 2
            write_apart(page[:half], journal, ledger)
            write_apart(page[half:], journal, ledger)
    ledger.strike(page)


def _set_aside(entry: Entry, error: TaskRefused, journal: Journal) -> None:
    """Say so; of an attempt's end the journal gets as little as it can be told in."""
    log.error("%s", hindrances.set_aside(type(entry).__name__, error))
    if not isinstance(entry, Ended):
        return
    try:
        with journal.transaction():
            write([replace(entry, settlement=bare(entry.settlement, str(error)))], journal)
    except TaskRefused:  # there is nothing of it that can be stored
        return


def _is_same_function(one: Entry, other: Learned) -> bool:
    return isinstance(one, Learned) and one.function == other.function
