"""What becomes of tasks from one look at the journal to the next, and what they print meanwhile, in its order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from outlast.errors import TaskNotFound
from outlast.events.journal import NOT_THERE_ANY_MORE
from outlast.journal.read import Event, History, LogReader, Mark, Printed, Record
from outlast.tasks.task import State

NEWEST = 200  # tasks of which is seen whether they are new
MOST_OPEN = 2000  # tasks whose end is waited for


@dataclass(frozen=True, slots=True)
class Happened:
    """What has happened to a task in an attempt that is not its newest any more."""

    record: Record
    event: Event


News = Record | Happened | Printed
"""How a task stands now, what has happened to it before that, and what it has printed."""


class Followed:
    """The tasks that are told about: one, by its whole id, or all with `name` in their function's path.

    Of all, those that there are at first are no news, nor is what they have printed.
    """

    def __init__(self, journal: History, log: LogReader, task: str = "", name: str = "") -> None:
        self._journal = journal
        self._log = log
        self._task = task
        self._name = name
        self._marks: dict[str, Mark] = {}
        self._known: dict[str, Record] = {} if task else {one.id: one for one in self._found([])}
        self._printed([one for one in self._known.values() if not one.has_ended])

    @property
    def are_over(self) -> bool:
        """Whether nothing becomes of them any more."""
        return bool(self._task) and all(one.has_ended for one in self._known.values())

    def news(self) -> Iterator[News]:
        """Since it was asked last, task by task, the oldest first."""
        before = self._known
        found = self._found([one.id for one in before.values() if not one.has_ended][-MOST_OPEN:])
        changed = {one.id for one in found if before.get(one.id) != one}
        printed = self._printed([one for one in found if one.id in changed or not one.has_ended])
        self._known = {one.id: one for one in found}
        for one in found:
            pieces = [piece for piece in printed if piece.task == one.id]
            if one.id in changed:
                yield from in_order(one, self._missed(one, before.get(one.id)), pieces)
            else:
                yield from pieces

    def _found(self, unfinished: list[str]) -> list[Record]:
        """The newest, those that run, and what has become of those that were unfinished."""
        if self._task:
            return [again(self._journal, self._task)]
        found = self._journal.tasks_of(unfinished)
        for states in ((State.RUNNING,), ()):
            found |= {one.id: one for one in self._journal.tasks(states, self._name, NEWEST)}
        return sorted(found.values(), key=lambda one: one.id)

    def _missed(self, one: Record, before: Record | None) -> list[Happened]:
        """What has happened in attempts that have ended between two looks, of which the newest says nothing."""
        first = self._first(one, before)
        events: Sequence[Event] = ()
        if first < one.attempt:
            with suppress(TaskNotFound):  # somebody has deleted it a moment ago
                events = self._journal.task(one.id).events
        return [Happened(one, event) for event in events if first <= event.attempt < one.attempt]

    def _first(self, one: Record, before: Record | None) -> int:
        """The first attempt of which not all was told; of the one task that is told about, the newest at first."""
        if before is None:
            return one.attempt if self._task else 1
        return before.attempt + (before.state != State.RUNNING.label)

    def _printed(self, tasks: Sequence[Record]) -> list[Printed]:
        firsts = {one.id: self._first(one, self._known.get(one.id)) for one in tasks}
        self._marks = {task: self._marks.get(task, Mark(first)) for task, first in firsts.items()}
        found = self._log.since(self._marks)
        self._marks |= {one.task: one.until for one in found}
        return found


def in_order(record: Record, missed: Sequence[Happened], pieces: Sequence[Printed]) -> Iterator[News]:
    """What an attempt has printed comes before its end, and behind its beginning."""
    for attempt in range(record.attempt):
        of_it = [one for one in missed if one.event.attempt == attempt]
        yield from (one for one in of_it if one.event.kind == "started")
        yield from (one for one in pieces if one.until.attempt == attempt)
        yield from (one for one in of_it if one.event.kind != "started")
    newest = [one for one in pieces if one.until.attempt >= record.attempt]
    is_running = record.state == State.RUNNING.label
    yield from (record,) if is_running else ()
    yield from newest
    yield from () if is_running else (record,)


def again(journal: History, task: str) -> Record:
    """A task (whole id) as it stands now. Raises TaskNotFound."""
    found = journal.tasks_of([task])
    if not found:
        raise TaskNotFound(f"task {task}: {NOT_THERE_ANY_MORE}")
    return found[task]
