"""What people change in a journal from outside of an app's own writer: on the command line, in the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TypeVar

from outlast.errors import NotRepeatable
from outlast.events import waits
from outlast.journal.contract import Journal, Tasks
from outlast.journal.engines import open_existing, open_stashed_files
from outlast.journal.location import place_of
from outlast.journal.turn import Retention, RunnersJournal, Turn
from outlast.settings.settings import Settings
from outlast.system.stash import Stash
from outlast.tasks.ids import TaskIds

T = TypeVar("T")
AT_ONCE = 500  # tasks in one transaction: nobody waits long for the next
Verb = Callable[[Tasks, Sequence[int]], Mapping[int, bool]]


def changed(
    settings: Settings, tasks: Sequence[int], verb: Verb, further: Callable[[int], object] = lambda _: None
) -> dict[int, bool]:
    """Of each task whether it was done; some at a time. Raises StoreFailed, JournalUnusable or JournalMissing.

    further: is told each time how many more have been asked.
    """
    done: dict[int, bool] = {}
    with _opened(settings) as journal:
        for start in range(0, len(tasks), AT_ONCE):
            some = tasks[start : start + AT_ONCE]
            with journal.transaction():
                answer = verb(journal.tasks, some)
            done |= {one: answer.get(one, False) for one in some}
            further(len(some))
    return done


def decided(settings: Settings, verb: Callable[[Journal], T]) -> T:
    """One change, in a transaction. Raises StoreFailed, JournalUnusable or JournalMissing."""
    with _opened(settings) as journal, journal.transaction():
        return verb(journal)


def pruned(settings: Settings, keep: Retention, further: Callable[[int], object] = lambda _: None) -> int:
    """Forget what is past keeping, whatever runners keep; returns how many tasks, incidents and processes it were.

    further: as of `changed`. Raises StoreFailed, JournalUnusable or JournalMissing.
    """
    count = 0
    with _opened(settings) as journal:
        keep = replace(keep, beyond=journal.tasks.surplus(keep.count))
        while some := journal.turn(Turn(0, keep=keep)).forgotten:
            count += some
            further(some)
    return count


def repeated(settings: Settings, task: int) -> int:
    """Store a new task that asks for what this one, which has ended, has asked for; returns its number.

    Raises NotRepeatable when that cannot be, StoreFailed or JournalUnusable.
    """
    new = TaskIds().next()
    with _stashed_for(settings, task), _opened(settings) as journal, journal.transaction():
        journal.tasks.repeat(task, new)
    return new


@contextmanager
def _stashed_for(settings: Settings, task: int) -> Iterator[None]:
    """A block in which nobody removes the files of a task. Raises NotRepeatable if one is gone."""
    stash = Stash(place_of(settings))
    with ExitStack() as held:
        for name in open_stashed_files(settings.url).of(task):
            try:
                held.enter_context(stash.open(name))
            except OSError as error:
                raise NotRepeatable(waits.STASH_IS_GONE) from error
        yield


@contextmanager
def _opened(settings: Settings) -> Iterator[RunnersJournal]:
    journal = open_existing(settings.url, is_shared=settings.shared_folder)
    try:
        yield journal
    finally:
        journal.close()
