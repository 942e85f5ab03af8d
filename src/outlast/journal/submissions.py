"""What is asked of the writer, and who waits for the answer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from outlast.errors import StoreFailed
from outlast.events import hindrances
from outlast.journal.contract import Change, Journal
from outlast.tasks.task import NewTask
from outlast.watch.incident import Incident

Answer = Mapping[int, int]
"""By ids of tasks. Of those that were to be cancelled or to run again: whether they will not finish, or do. Of new ones
that were not stored: which task they have joined, since that has their key. Of schedules: whether it was done."""

MOST_WAITING = 100_000  # changes; with so many nothing new is taken
SAY_AGAIN = 10.0  # seconds between two lines on what is not taken
_NEW = {NewTask: "task", Incident: "incident"}  # what can be left: the rest ends or moves tasks that the journal has


@dataclass(slots=True, eq=False)
class Submission:
    """Changes that go into one transaction together, or a question, and whoever waits for the answer.

    With `future` someone waits: the first failure is theirs. Without, the writer tries until it is stored.
    withdrawn: nobody wants it any more. written: it is in the journal. Each side sets its own before it looks at the
    other's, so that one of them sees both and has it dropped again. unsure: the journal has not said whether it is.
    settled: written, or whoever waits has been told that it is not.
    """

    changes: Sequence[Change]
    future: Future[Any] | asyncio.Future[Any] | None = None
    loop: asyncio.AbstractEventLoop | None = None
    question: Callable[[Journal], int] | None = None
    withdrawn: bool = False
    written: bool = False
    unsure: bool = False
    settled: bool = False

    @property
    def is_unwanted(self) -> bool:
        """Whether nobody wants what is in the journal, or may be."""
        return self.withdrawn and (self.written or self.unsure)

    def give_up(self) -> None:
        """Whether it was stored is not known, and whoever waited has been told that it was not."""
        if self.future is not None:
            self.withdrawn = self.unsure = True


class Backlog:
    """How many changes wait to be written. There is a bound, beyond which nothing new is taken."""

    def __init__(self) -> None:
        self.waiting = 0
        self._counting = threading.Lock()
        self._given_up: Counter[str] = Counter()
        self._say_at = 0.0

    def count(self, more: int) -> None:
        """So many have come in, or, below 0, are dealt with."""
        with self._counting:
            self.waiting += more

    def refuse_if_full(self, changes: Sequence[Change]) -> None:
        """Raises StoreFailed when there is no room for `changes`."""
        if self._is_full(changes):
            raise StoreFailed(hindrances.writer_full(self.waiting))

    def with_room_for(self, changes: Sequence[Change]) -> Sequence[Change]:
        """`changes`, or, while too much waits, those that are not new; how much is left out is said now and then."""
        if not self._is_full(changes):
            return changes
        self._given_up.update(_NEW[type(one)] for one in changes if type(one) in _NEW)
        if self._given_up and time.monotonic() >= self._say_at:
            self._say_at = time.monotonic() + SAY_AGAIN
            hindrances.ChangesGivenUp(self.waiting, self._given_up).tell()
            self._given_up = Counter()
        return [one for one in changes if type(one) not in _NEW]

    def _is_full(self, changes: Sequence[Change]) -> bool:
        return self.waiting > 0 and self.waiting + len(changes) > MOST_WAITING


def changes_in(batch: Iterable[Submission]) -> int:
    """How many changes these submissions hold."""
    return sum(len(one.changes) for one in batch)


def answer(batch: Iterable[Submission], given: Answer | int | Exception) -> None:
    """Tell everybody who waits, one wake-up per event loop; what failed and nobody waits for stays unsettled."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Submission]] = defaultdict(list)
    for one in batch:
        one.settled = one.future is not None or not isinstance(given, Exception)
        if one.loop is not None:
            by_loop[one.loop].append(one)
        elif one.future is not None:
            _resolve([one], given)
    for loop, waiting in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, waiting, given)
        except RuntimeError:  # that loop has been closed: nobody is left to be told
            continue


def _resolve(waiting: Iterable[Submission], given: Answer | int | Exception) -> None:
    for one in waiting:
        if one.future is None or one.future.done():
            continue
        if isinstance(given, Exception):
            one.future.set_exception(given)
        else:
            one.future.set_result(given)
