"""Where the tasks of an app's calls go: into its journal; in a test, to wherever that wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any

from outlast.errors import IdTaken, NotStorable, TaskNotFound
from outlast.functions.functions import TaskFunction
from outlast.functions.stand_ins import as_stand_in
from outlast.ids import shown
from outlast.journal.contract import Cancel, Change, Release, Retry
from outlast.journal.schedules import Scheduled, Unscheduled
from outlast.journal.submissions import Answer
from outlast.source.stand_ins import stands_in
from outlast.tasks.task import Lane, NewTask, State
from outlast.web import rehearsal, rehearsing
from outlast.web.background import StandIn
from outlast.web.call_site import call_site
from outlast.web.entry import Entry
from outlast.web.inline import surface
from outlast.web.installed import InstalledApp
from outlast.web.luggage import Luggage
from outlast.web.outcomes import Outcomes, Recorded
from outlast.web.plan import Plan, with_what_follows
from outlast.web.rehearsed import Rehearsed
from outlast.web.sequences import Sequence as TaskSequence

Word = Cancel | Retry | Scheduled | Unscheduled
"""What somebody says of one task or schedule, and hears whether it was done."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The task that `enqueue` gives; one that was there already, with the same key, is not new."""

    number: int
    is_new: bool = True

    def withdraw(self) -> bool:
        """It is stored."""
        return False

    async def stored(self) -> None:
        """It is."""


class Journal:
    """Of one app. This one writes nothing down; what it says is true of the two that tests have.

    records: whether it is written down what happens to tasks.
    outlives_call: whether tasks run although the call of their WebSocket is cancelled.
    outcomes: how it is found out what became of tasks.
    """

    records = False
    outcomes: type[Outcomes] = Rehearsed
    outlives_call = False

    def __init__(self, app: InstalledApp) -> None:
        self.app = app

    def describe(self, function: Callable[..., Any], *passed: Callable[..., Any]) -> TaskFunction:
        """What a task of `function` needs, or of what a test has put there. Raises NotStorable. May read files."""
        site = call_site()
        if site.line and stands_in(function, site.file):
            return as_stand_in(function, self.app.settings.default_options())
        return self.app.functions.describe(function, *passed)

    def knows(self, task: StandIn) -> bool:  # noqa: ARG002
        """Whether it is known how a task will run, or can be said without a look into a file."""
        return True

    async def look_into(self, tasks: Iterable[StandIn]) -> None:
        """Wait until that is known."""

    def presume(self, task: StandIn) -> None:
        """It goes although that may not be known, since nobody can wait: say so if it turns out to be wrong."""

    def adapted(self, plan: Plan) -> Plan:
        """How a task runs here that would run so on a server."""
        return plan

    def reason_to_stay(self, entry: Entry, luggage: Luggage) -> str:  # noqa: ARG002
        """Pack what its context holds; returns why it has to run here, since it reads what does not travel."""
        return ""

    async def store(self, adds: Sequence[NewTask]) -> Answer:  # noqa: ARG002
        """Wait until they are durable. Raises StoreFailed, JournalUnusable or IdTaken."""
        return {}

    def store_soon(self, changes: Sequence[Change]) -> None:
        """Nobody waits for that."""

    def let_go(self, entry: Entry) -> list[Change]:  # noqa: ARG002
        """What is written when a held task may run."""
        return []

    async def over(self, errors: Sequence[Exception]) -> None:
        """A call is over, and tasks that ran in it have raised these, which their journal knows by now."""

    async def enqueue(self, sequence: TaskSequence) -> list[Asked]:
        """Let them run, at once or one after the other. Raises NotStorable, StoreFailed or JournalUnusable."""
        return self.enqueue_sync(sequence)

    def enqueue_sync(self, sequence: TaskSequence) -> list[Asked]:
        """The same for code without an event loop. Blocks for one fsync."""
        raise NotImplementedError

    async def tell(self, change: Word) -> bool:
        """Whether what it is about does as it says. Raises TaskNotFound, StoreFailed or JournalUnusable."""
        return self.tell_sync(change)

    def tell_sync(self, change: Word) -> bool:
        """The same for code without an event loop. Blocks for one fsync."""
        match change:
            case Cancel(number):
                return rehearsal.cancel(number)
            case Retry(number):
                return rehearsal.retry(number)
        return False  # no schedule runs in a test


class Durable(Journal):
    """The journal that outlasts its process."""

    records = True
    outcomes = Recorded

    def describe(self, function: Callable[..., Any], *passed: Callable[..., Any]) -> TaskFunction:
        """The same, but on the event loop from what is known: no file is read there."""
        return self.app.functions.describe_now(function, *passed)

    def knows(self, task: StandIn) -> bool:
        """Of its function, and of those that are passed to it."""
        return task.original is not None or all(map(self.app.functions.knows, task.functions))

    async def look_into(self, tasks: Iterable[StandIn]) -> None:
        """In another thread."""
        await self.app.functions.look_into([one for task in tasks for one in task.functions])

    def presume(self, task: StandIn) -> None:
        """Of its function, and of those that are passed to it."""
        for function in task.functions if task.original is None else ():
            self.app.functions.presume(function)

    def reason_to_stay(self, entry: Entry, luggage: Luggage) -> str:
        """It is planned by then. What it cannot take along is told, if it seems to need it."""
        if entry.scene is None or entry.plan is None:
            return ""
        functions = entry.plan.functions
        for one in functions[len(entry.plan.calls) :]:
            self.app.functions.presume(one)
        verdict = luggage.judge(entry.plan.function, functions, entry.scene.context)
        entry.context = verdict.text
        for sentence in verdict.warnings:
            self.app.warnings.say(entry.site, sentence)
        return verdict.reason_to_stay

    async def store(self, adds: Sequence[NewTask]) -> Answer:
        """With all that was submitted before."""
        return await self.app.store(adds)

    def store_soon(self, changes: Sequence[Change]) -> None:
        """In the order in which they are submitted, tried again until it is done."""
        self.app.store_soon(changes)

    def let_go(self, entry: Entry) -> list[Change]:
        """It waits for a task process."""
        return [Release(entry.id)]

    async def enqueue(self, sequence: TaskSequence) -> list[Asked]:
        """Waits for a look into their functions' files, then for one fsync."""
        await self.app.functions.look_into(sequence.functions)
        tasks, ids = _asked_for(sequence, self)
        try:
            answer = await self.app.store(tasks)
        except IdTaken:
            tasks, ids = _asked_for(sequence, self)
            answer = await self.app.store(tasks)
        return self._asked(tasks, ids, answer)

    def enqueue_sync(self, sequence: TaskSequence) -> list[Asked]:
        """On an event loop no file is read for it."""
        tasks, ids = _asked_for(sequence, self)
        for one in sequence.functions:
            self.app.functions.presume(one)
        try:
            answer = self.app.store_now(tasks)
        except IdTaken:
            tasks, ids = _asked_for(sequence, self)
            answer = self.app.store_now(tasks)
        return self._asked(tasks, ids, answer)

    def _asked(self, tasks: Sequence[NewTask], ids: Sequence[int], answer: Answer) -> list[Asked]:
        for task in tasks:
            if task.id not in answer:
                self.app.service.farewell.remember(task.id)
        return [Asked(answer.get(one, one), is_new=one not in answer) for one in ids]

    async def tell(self, change: Word) -> bool:
        """The runner looks at once whether it is to stop one."""
        return self._told(change.id, await self.app.store([change]))

    def tell_sync(self, change: Word) -> bool:
        """The same, blocking."""
        return self._told(change.id, self.app.store_now([change]))

    def _told(self, number: int, answer: Answer) -> bool:
        if number not in answer:
            raise TaskNotFound(f"no task {shown(number)} in {self.app.service.place.journal}")
        if answer[number]:
            self.app.service.connection.look()
        return bool(answer[number])


class Running(Journal):
    """In a test: each task runs where Starlette would run it, so that mocks work, and what it raises is the test's."""

    outlives_call = True  # Starlette's TestClient cancels the call when it closes the WebSocket

    def adapted(self, plan: Plan) -> Plan:
        """All run inline, and are tried again as they would be."""
        return replace(plan, lane=Lane.INLINE, reason="test mode inline")

    async def over(self, errors: Sequence[Exception]) -> None:
        """What runs after those that ran in it runs here, too. What they have raised is the test's."""
        raised = [error for call in rehearsing.taken() if (error := await rehearsing.failure_of_awaited(call))]
        surface([*errors, *raised])

    async def store(self, adds: Sequence[NewTask]) -> Answer:
        """In memory."""
        rehearsal.store(adds, self.app)
        return {}

    def store_soon(self, changes: Sequence[Change]) -> None:
        """In memory."""
        rehearsal.note(changes, self.app)

    async def enqueue(self, sequence: TaskSequence) -> list[Asked]:
        """They run here, one after the other; that they could be stored is seen to. What they raise is the test's."""
        asked = _collected(sequence, self)
        await self.over([])
        return asked

    def enqueue_sync(self, sequence: TaskSequence) -> list[Asked]:
        """The same, blocking."""
        asked = _collected(sequence, self)
        _run_collected()
        return asked

    async def tell(self, change: Word) -> bool:
        """One that is to run again does so here, as what it raises is the test's."""
        told = super().tell_sync(change)
        await self.over([])
        return told

    def tell_sync(self, change: Word) -> bool:
        """The same, blocking."""
        told = super().tell_sync(change)
        _run_collected()
        return told


class Collecting(Journal):
    """In a test: no task runs, those that would are kept for it."""

    def adapted(self, plan: Plan) -> Plan:
        """None runs inline."""
        return replace(plan, lane=Lane.LOOP) if plan.is_inline else plan

    def let_go(self, entry: Entry) -> list[Change]:
        """Here it is."""
        rehearsal.let_go(entry.task.kept(entry.scene, entry.id))
        return []

    async def store(self, adds: Sequence[NewTask]) -> Answer:
        """In memory."""
        rehearsal.store(adds, self.app)
        return {}

    def store_soon(self, changes: Sequence[Change]) -> None:
        """In memory."""
        rehearsal.note(changes, self.app)

    def enqueue_sync(self, sequence: TaskSequence) -> list[Asked]:
        """None runs."""
        return _collected(sequence, self)


def _run_collected() -> None:
    surface([error for call in rehearsing.taken() if (error := rehearsing.failure_of(call))])


def _collected(sequence: TaskSequence, journal: Journal) -> list[Asked]:
    """In a test: those that wait for none of the others are kept for it."""
    tasks, ids = _asked_for(sequence, journal)
    rehearsal.store(tasks, journal.app)
    for call, task in zip(sequence.first, tasks, strict=True):
        rehearsal.let_go(call.kept(None, task.id))
    return [Asked(one) for one in ids]


def _asked_for(sequence: TaskSequence, journal: Journal) -> tuple[list[NewTask], list[int]]:
    """The tasks of a sequence, and the ids of its calls. Raises NotStorable when one cannot travel."""
    next_id = journal.app.ids.next
    return sequence.tasks(journal.describe, lambda planned: _made(planned, journal), next_id)


def _made(planned: Plan, journal: Journal) -> NewTask:
    """What goes into the journal of a task that runs at once, with what runs after it. Raises NotStorable."""
    if reason := planned.reason or planned.why_nothing_flows(journal.app.settings.max_result):
        raise NotStorable(reason)
    luggage = Luggage(journal.app.functions, journal.app.before).judge(
        planned.function, planned.functions, copy_context()
    )
    if luggage.reason_to_stay:
        raise NotStorable(luggage.reason_to_stay)
    task = planned.task(journal.app.ids.next(), State.WAITING, call_site().in_short, None, luggage.text)
    return with_what_follows(task, planned.sequels, journal.app.ids.next)
