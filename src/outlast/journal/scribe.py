"""Writes batches into the journal, in the writer's thread: each in one transaction, and what is refused apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from outlast.errors import IdTaken, JournalUnusable, StoreFailed, StoreUnsure, TaskRefused
from outlast.events import hindrances, journal
from outlast.journal.contract import ANY_NUMBER, Begin, Cancel, Change, Drop, Journal, Release, Retry
from outlast.journal.refused import in_place_of
from outlast.journal.schedules import Declared, Scheduled, Unscheduled
from outlast.journal.submissions import Answer, Submission, answer
from outlast.system.deployment import NO_HOME, Home
from outlast.system.threads import Complaints
from outlast.tasks.task import NewTask, Settlement, State
from outlast.text import in_one_line
from outlast.watch.incident import Incident

Refusal = StoreFailed | JournalUnusable
_IN_ORDER = dict.fromkeys((Declared, Scheduled, Unscheduled), Scheduled)  # of schedules, what is said last holds
_CALLED = {NewTask: "add", Settlement: "settle", Incident: "note"}  # what is asked for, where it is not in the name


class Scribe:
    """For one process. `enter` gives it its id when the journal is first written, as `Writer` says.

    is_failing: whether the last batch was taken by no journal. has_news: whether a task became ready to run since the
    owner of this has looked.
    """

    def __init__(self, journal: Journal, enter: Callable[[Journal, int], int], complaints: Complaints) -> None:
        self.home = NO_HOME
        self.max_waiting = ANY_NUMBER
        self.is_failing = False
        self.has_news = False
        self._journal = journal
        self._enter = enter
        self._complaints = complaints
        self._owner = 0
        self._file: Hashable = None
        self._held: dict[int, NewTask] = {}
        self._declared: Declared | None = None

    def write(self, batch: Sequence[Submission]) -> list[Submission]:
        """Write a batch; returns what has to be tried again.

        What nobody foresaw is met by one submission alone: the others are written without it.
        """
        try:
            return self._write(batch) if batch else []
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not become everybody's
            self._journal.close()  # with whatever it had begun
            unsettled = [one for one in batch if not one.settled and not one.withdrawn]
            if len(unsettled) > 1:
                return [left for one in unsettled for left in self.write([one])]
            self._complaints.say(error, "it goes on, and tries again what nobody waits for")
            answer(unsettled, StoreFailed(f"the task could not be stored: {in_one_line(error)}"))
            for one in unsettled:
                one.give_up()
            return [one for one in unsettled if not one.settled]

    def _write(self, batch: Sequence[Submission]) -> list[Submission]:
        wanted = [one for one in batch if not one.withdrawn]
        try:
            stored = self._transact(wanted)
        except TaskRefused as error:
            return self._write_apart(wanted, error)
        except StoreUnsure as error:
            return self._put_off(wanted, error)
        except (StoreFailed, JournalUnusable) as error:
            left = self._put_off(wanted, error)
            answer(wanted, error)
            return [one for one in left if one.future is None]
        self.is_failing = False
        answer([one for one in wanted if one.written], stored)
        return []

    def _write_apart(self, batch: Sequence[Submission], error: TaskRefused) -> list[Submission]:
        """There is something in a batch that no journal takes: write in halves, so that it alone is refused."""
        if len(batch) > 1:
            half = len(batch) // 2
            return self._write(batch[:half]) + self._write(batch[half:])
        (one,) = batch
        if one.future is not None:
            answer(batch, error)
            return []
        if isinstance(error, IdTaken):
            hindrances.ChangeSetAside("new task", str(error)).tell()
            return self._write([Submission([left for left in one.changes if _task_of(left) not in error.ids])])
        if len(one.changes) > 1:
            return self._write([Submission([change]) for change in one.changes])
        return self._set_aside(one.changes[0], error)

    def _set_aside(self, change: Change, error: TaskRefused) -> list[Submission]:
        """Nobody waits for what was refused: say so, here and in the journal."""
        hindrances.ChangeSetAside(_CALLED.get(type(change), type(change).__name__.lower()), str(error)).tell()
        instead = [one for one in in_place_of(change, str(error)) if one != change]
        try:
            self._transact([Submission([one]) for one in instead])
        except TaskRefused:  # there is nothing of it that can be stored
            return []
        except (StoreFailed, JournalUnusable):
            return [Submission([change])]
        return []

    def _put_off(self, batch: Sequence[Submission], error: Refusal) -> list[Submission]:
        """The journal takes nothing now, or has not said whether it did: then who waits is not told yet either."""
        if not self.is_failing:
            journal.JournalRefuses(str(error)).tell()
        self.is_failing = True
        for one in batch:
            one.unsure = one.unsure or isinstance(error, StoreUnsure)
        return list(batch)

    def _transact(self, given: Sequence[Submission]) -> Answer:
        """What nobody has given up while this waited for its turn to write."""
        with self._journal.transaction():
            owner = self._known_owner()
            batch = [one for one in given if not one.withdrawn]
            wanted = _by_kind(self._without_known(batch))
            answers = self._add(wanted.get(NewTask, ()), owner)
            stored = {**answers, **_apply(self._journal, wanted, owner, self.home)}
        for one in batch:
            one.written = True
        changes = [change for one in batch for change in one.changes]
        self._owner, self._file = owner, self._journal.file
        self._remember(changes)
        self.has_news = self.has_news or any(map(_makes_ready, changes))
        return stored

    def _add(self, adds: Sequence[NewTask], owner: int) -> Answer:
        return self._journal.tasks.add(adds, owner, self.home, self.max_waiting) if adds else {}

    def _without_known(self, batch: Sequence[Submission]) -> list[Change]:
        """All changes but the new tasks that an answer was lost of, and that are stored: nobody else has their ids."""
        doubtful = {change.id for one in batch if one.unsure for change in one.changes if isinstance(change, NewTask)}
        known = doubtful - self._journal.tasks.unknown(doubtful) if doubtful else doubtful
        changes = [change for one in batch for change in one.changes]
        return [one for one in changes if not (isinstance(one, NewTask) and one.id in known)]

    def _known_owner(self) -> int:
        """This process's id, in a journal that has it. One that is new here may not know what the last one held."""
        if self._journal.file == self._file:
            return self._owner
        owner = self._owner = self._enter(self._journal, self._owner)  # it stays this one's, stored or not
        if lost := self._journal.tasks.unknown(self._held):
            self._journal.tasks.add([self._held[task] for task in lost], owner, self.home)
        if self._declared is not None:
            self._journal.schedules.declare(self._declared, self.home)
        return owner

    def _remember(self, changes: Iterable[Change]) -> None:
        """Keep what is held as long as its response lasts, and what was declared."""
        for change in changes:
            if isinstance(change, NewTask):
                if change.state is State.HELD:
                    self._held[change.id] = change
            elif isinstance(change, Release | Drop | Begin):
                self._held.pop(change.id, None)
            elif isinstance(change, Declared):
                self._declared = change


def _apply(journal: Journal, asked: Mapping[type, list[Any]], owner: int, home: Home) -> Answer:
    """What a batch asks for of schedules, and of tasks that are there, its new ones among them."""
    answers: dict[int, int] = {}
    if of_schedules := asked.get(Scheduled):
        answers |= _apply_to_schedules(journal, of_schedules, home)
    if releases := asked.get(Release):
        journal.tasks.release([one.id for one in releases])
    if drops := asked.get(Drop):
        journal.tasks.drop(drops)
    if begins := asked.get(Begin):
        journal.attempts.begin([one.id for one in begins], owner)
    if settlements := asked.get(Settlement):
        journal.attempts.settle(settlements)
    if incidents := asked.get(Incident):
        journal.processes.note(incidents)
    if cancels := asked.get(Cancel):
        answers |= journal.tasks.cancel([one.id for one in cancels])
    if retries := asked.get(Retry):
        answers |= journal.tasks.retry([one.id for one in retries])
    return answers


def _by_kind(changes: Iterable[Change]) -> dict[type, list[Any]]:
    found: defaultdict[type, list[Any]] = defaultdict(list)
    for one in changes:
        found[_IN_ORDER.get(type(one), type(one))].append(one)
    return found


def _apply_to_schedules(journal: Journal, changes: Sequence[Change], home: Home) -> dict[int, int]:
    answers: dict[int, int] = {}
    for one in changes:
        match one:
            case Declared():
                journal.schedules.declare(one, home)
            case Scheduled():
                answers[one.id] = journal.schedules.put(one, home)
            case Unscheduled():
                answers[one.id] = journal.schedules.remove(one, home)
    return answers


def _task_of(change: Change) -> int:
    """The id of the task that a change is about, 0 for what is about none."""
    return 0 if isinstance(change, Incident | Declared) else change.id


def _makes_ready(change: Change) -> bool:
    return isinstance(change, Release | Settlement | Retry | Scheduled) or (
        isinstance(change, NewTask) and change.state is State.WAITING
    )
