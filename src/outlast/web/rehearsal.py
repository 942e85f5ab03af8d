"""What becomes of tasks in a test that has no journal: each move as a journal would make it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from outlast.errors import OutlastError, QueueFull, TaskNotFound
from outlast.events import endings, waits
from outlast.functions.checkpoints import decoded, encoded
from outlast.functions.names import resolve_task
from outlast.ids import shown
from outlast.journal.contract import Change, Drop
from outlast.system.process import now
from outlast.tasks.attempt import Attempt, Keeper
from outlast.tasks.outcome import RETURNED, Raised, Wished, outcome
from outlast.tasks.progress import Progress
from outlast.tasks.steering import ending_by
from outlast.tasks.task import FINISHED, Claimed, NewTask, Settlement, State, sequels_of
from outlast.text import MOST_REASON, in_one_line, one_line, traceback_of
from outlast.web import rehearsed_sequels as sequels
from outlast.web.background import StandIn
from outlast.web.inline import settled_inline
from outlast.web.installed import InstalledApp
from outlast.web.parts import Part, keep, part_of, parts

_NOT_BEGUN = (State.HELD, State.WAITING, State.PARKED)
_AT_REST = FINISHED | {State.PARKED}


def store(tasks: Sequence[NewTask], app: InstalledApp) -> None:
    """New tasks, and all that runs after them. Raises QueueFull."""
    coming = Counter(one.options.limits.queue for one in (*tasks, *(sequel.task for sequel in sequels_of(tasks))))
    for queue, most in app.settings.max_waiting.items():
        waiting = sum(one.state in (State.HELD, State.WAITING) for one in parts() if one.standing.record.queue == queue)
        if coming[queue] and waiting + coming[queue] > most:
            raise QueueFull(queue, most)
    note(tasks, app)


def note(changes: Sequence[Change], app: InstalledApp) -> None:
    """What the journal of an app would have been told."""
    for one in changes:
        if isinstance(one, NewTask):
            keep(one, app).set_times()
            sequels.add(one, app)
        elif isinstance(one, Drop):
            drop(one.id, one.reason, unasked=True)


def let_go(task: StandIn) -> None:
    """It may run, unless it was cancelled before that."""
    part = part_of(task.number)
    if part is not None and not part.has_ended:
        part.wait(task)


def drop(number: int, reason: str, *, unasked: bool = False) -> None:
    """A task will not run; unasked: with its response, which has told of it."""
    part = part_of(number)
    if part is None or part.has_ended:
        return
    part.is_unasked = unasked
    part.end_unrun(State.DROPPED, reason)
    if not unasked:
        part.tell_end()
    sequels.go_on(number)


def cancel(number: int) -> bool:
    """Whether it does not run any more: one that runs in a test cannot be stopped. Raises TaskNotFound."""
    part = _known(number)
    if part.state in _NOT_BEGUN:
        part.end_unrun(State.CANCELLED, endings.CANCELLED_BEFORE)
        part.tell_end()
        sequels.go_on(number)
    return part.state is State.CANCELLED


def retry(number: int) -> bool:
    """Let one wait that has ended or is parked; whether it does now. Raises TaskNotFound."""
    asked = _known(number)
    again = [one for one in sequels.to_run_again(asked) if one.state in _AT_REST and one.task.arguments is not None]
    if asked not in again:
        return False
    for one in again:
        _forget_end(one)
    for one in sequels.hold_back_again(again, asked):
        one.wait(one.call or StandIn(resolve_task(one.task.function)).kept(None, one.task.id))
    for one in again:
        for before in one.sequel.before if one.sequel is not None else ():
            sequels.go_on(before)
    return not asked.has_ended


def _forget_end(part: Part) -> None:
    part.checkpoint = None if part.state is State.DONE else part.checkpoint
    part.task = part.task._replace(follows=None)
    part.due, part.expires_at, part.retried, part.is_unasked = now(), None, 0, False
    part.returned, part.standing = RETURNED, replace(part.standing, result=None, traceback="")
    part.change(reason="", started_at=None, ended_at=None, run_at=None)


def _known(number: int) -> Part:
    if (part := part_of(number)) is None:
        raise TaskNotFound(f"no task {shown(number)} in this test")
    return part


def begun(task: StandIn) -> StandIn:
    """A task begins; returns it as that attempt, with what comes out of a journal for it.

    Raises what reading that raises: then it is parked.
    """
    part = part_of(task.number)
    if part is None:
        return task
    number, part.call = part.standing.record.attempt + 1, task
    part.change(state=State.RUNNING.label, attempt=number, started_at=now(), run_at=None, reason="")
    try:
        stored, resume = part.as_stored(task), decoded(part.checkpoint) if part.checkpoint else None
    except Exception as error:
        _park(part, error)
        raise
    is_counted = number > 1 or part.task.options.policy.retries > 0
    counted = number if is_counted else 0
    return stored.tried(Attempt(task.number, counted, part.task.function, resume=resume, keeper=_KEEPING))


def _park(part: Part, error: Exception) -> None:
    function = part.task.function
    why = str(error) if isinstance(error, OutlastError) else waits.not_found(function, in_one_line(error))
    part.change(state=State.PARKED.label, reason=one_line(why, MOST_REASON))
    waits.TasksParked(function, 1, why).tell()


def returned(task: StandIn, value: Any) -> None:
    """A task has returned `value`: those that run after it get it as it comes out of a journal."""
    part = part_of(task.number)
    if part is None:
        return
    part.returned = part.app.functions.results.of(task.func).kept(value, part.app.settings.max_result)
    part.standing = replace(part.standing, result=value)
    part.change(state=State.DONE.label, reason=part.returned.lost, ended_at=now())
    sequels.go_on(task.number)


def raised(task: StandIn, error: BaseException) -> bool:
    """A task has raised `error`. Whether that is the test's: else it is tried again, or has given up."""
    part = part_of(task.number)
    if part is None or part.state is not State.RUNNING:
        return True
    settled = _settled(part, ending_by(error))
    part.retried += settled.retried
    part.standing = replace(part.standing, traceback=traceback_of(error))
    if settled.state is State.WAITING:
        part.due = now() + settled.delay
        part.change(reason=settled.reason, run_at=part.due)
        part.wait(part.call or task)
        return False
    part.change(state=settled.state.label, reason=settled.reason, ended_at=now())
    sequels.go_on(task.number)
    return settled.state is State.FAILED


def _settled(part: Part, ending: Raised | Wished) -> Settlement:
    if part.task.arguments is None:
        return settled_inline(part.task.id, ending)
    what, policy = (part.task.function, part.task.arguments, part.task.lane), part.task.options.policy
    claimed = Claimed(part.task.id, part.standing.record.attempt, 0, 0, *what, policy=policy, retried=part.retried)
    return outcome(ending, claimed, max_crashes=1)


class _Keeping(Keeper):
    """What an attempt says of itself is known at once."""

    def progress(self, attempt: Attempt, progress: Progress) -> None:
        if (part := part_of(attempt.task_id)) is not None:
            part.change(progress=progress)

    def checkpoint(self, attempt: Attempt, value: Any) -> None:
        text = encoded(value)
        if (part := part_of(attempt.task_id)) is not None:
            part.checkpoint = text


_KEEPING = _Keeping()
