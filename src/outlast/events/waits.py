"""The one sentence for each thing that keeps a task waiting though nothing is wrong with it, and for its end."""

from __future__ import annotations

from collections.abc import Sequence
from logging import WARNING
from pathlib import Path

from outlast.events import words
from outlast.events.event import Event
from outlast.text import MOST_NAME, MOST_REASON, one_line

RETRIED = "somebody has asked for it to run again"
KNOWN_AGAIN = "the code that is here now knows it"


class TasksParked(Event, level=WARNING):
    """The code that is here does not know tasks that were stored for other code."""

    function: str
    count: int
    reason: str

    def __str__(self) -> str:
        name, why = one_line(self.function, MOST_NAME), one_line(self.reason, MOST_REASON)
        wait, them = ("waits", "it") if self.count == 1 else ("wait", "them")
        said = f"{words.tasks(self.count)} of {name} {wait}, parked, since the code that is here does not know {them}"
        return f"{said}: {why}{'' if why.endswith('?') else '.'} {PARKED_REMEDY}"


PARKED_REMEDY = (
    "What is parked runs as soon as code that knows it is here again; if it shall not, `outlast cancel` or "
    "`outlast delete` it"
)

NO_RUNNER = "no runner is there: what waits runs when a server of the app, or `outlast worker`, starts"
NO_RUNNER_TO_STOP = "no runner is there: nothing to stop"
RUNNER_ELSEWHERE = "the runner is in another container: run this command there"


def would_be_started_again(web_workers: Sequence[int]) -> str:
    who = ", ".join(map(str, web_workers[:5]))
    return f"web worker {who} lives, and would start another runner at once: stop the server first"


def runner_stopped(pid: int, waiting: int) -> str:
    rest = f"; {words.tasks(waiting)} {'waits' if waiting == 1 else 'wait'} for the next start" if waiting else ""
    return f"runner {pid} has ended, with its task processes{rest}"


def nobody_runs(waiting: int) -> str:
    if not waiting:
        return "no runner, and no task waits for one"
    what = f"{words.tasks(waiting)} {'waits' if waiting == 1 else 'wait'}"
    return f"no runner: {what} until a server of the app, or `outlast worker`, starts"


class NobodyRunsThem(Event, level=WARNING):
    waiting: int
    journal: Path

    def __str__(self) -> str:
        wait, them = ("waits", "it") if self.waiting == 1 else ("wait", "them")
        return (
            f"{words.tasks(self.waiting)} of this script {wait} in {self.journal}: nothing runs {them} until a server "
            "of the app, or `outlast worker`, starts"
        )


GUARD = "`if not outlast.in_task_process():`"


def not_started_yet(what: str, at: str, *, in_lifespan: bool) -> str:
    """A task process does not come to the end of its start. `at`: where it stands, if it could say so."""
    where = f"it stands in {at}" if at else "where it stands is not known"
    remedy = f"guard it with {GUARD}{', or set child_lifespan' if in_lifespan else ''}"
    return f"{what} has not come to its end: {where}. If that is for the web server alone, {remedy}"


def not_started(why: str) -> str:
    return f"a task process that is needed has not started yet: {why}"


class SlowToStart(Event, level=WARNING):
    pid: int
    seconds: float
    why: str
    sentence = "task process {pid} has been starting for {seconds:.0f} s, and tasks wait for it: {why}"


def took_too_long(seconds: float) -> str:
    return f"it had not come to the end of its start after {seconds:.0f} s"


def cannot_run(why: str) -> str:
    return f"what waits cannot run now, since {why}"


def held_back(queue: str, why: str) -> str:
    """Why a task that is ready does not begin; empty if nothing but its turn keeps it."""
    if why == "paused":
        return f"when queue {queue!r} goes on, which is paused (`outlast queue resume {queue}`)"
    return "when the limits of its queue or its function let it" if why else ""


def queue_paused(queue: str, *, is_new: bool) -> str:
    return f"queue {queue!r} is paused{'' if is_new else ' already'}: nothing of it begins, what runs goes on"


def queue_resumed(queue: str, *, was_paused: bool) -> str:
    return f"queue {queue!r} goes on" if was_paused else f"queue {queue!r} was not paused"


def nothing_in_queue(queue: str, others: Sequence[str]) -> str:
    """Said to who pauses or resumes one that may be a slip of the pen."""
    known = f"those that are known are {', '.join(map(repr, others))}" if others else "no queue is known yet"
    return f"nothing is in queue {queue!r}, and no server has limits for it: if you mean another one, {known}"


def changed_by_hand(done: int, refused: int, verb: str) -> str:
    """How many tasks somebody has `cancelled`, `retried` or `deleted`."""
    return f"{words.tasks(done)} {verb}{f', {refused} not' if refused else ''}"


def cancelled(state: str) -> str:
    """What has become of a task that somebody has cancelled, by the state that it is in then."""
    return "is told to stop" if state in ("running", "waiting") else "cancelled"


def not_cancelled(state: str, lane: str) -> str:
    """Why a task goes on."""
    if lane == "inline" and state in ("held", "running"):
        return "it runs inline, in its web worker, and cannot be stopped"
    return f"it has ended already: {state}"


def not_retried(state: str, lane: str) -> str:
    """Why a task does not run again."""
    if lane == "inline" and state not in ("held", "running"):
        return "it ran inline, in its web worker, and cannot run elsewhere"
    if state in ("done", "failed", "cancelled", "dropped"):
        return "another task has its key, and has not ended"
    return not_ended(state)


NO_ARGUMENTS = "it ran inline, in its web worker: its arguments are not stored"
LACKS_RESULTS = "it was to get something of a task before it, and never got it: run that one again"
STASH_IS_GONE = "a file that was stashed for it is not kept any more, since it has ended: ask for it with a new upload"


def not_ended(state: str) -> str:
    """Why there is no second one like it."""
    return f"it has not ended: {state}"


def key_is_taken(holder: str) -> str:
    """The same of one whose key another one has."""
    return f"task {holder} has its key, and has not ended"


def repeats(task: str) -> str:
    """Who has asked for a task that was asked for as another one was."""
    return f"somebody who has repeated task {task}"


def repeated_as(task: str) -> str:
    return f"task {task} has its arguments and options"


def runs_alone(after: Sequence[str]) -> str:
    """What is not repeated with a task: what ran after that, by its options or in a sequence."""
    first = ", ".join(after[:5])
    return f"nothing runs after it, neither `then` nor `on_failure`: what the other one has for that is task {first}"


def not_deleted(state: str, lane: str) -> str:  # noqa: ARG001 - as of `not_retried`
    """Why a task stays."""
    return f"it has not ended ({state}): cancel it first"


def not_guarded(file: str, line: int) -> str:
    """Why no task process may have what is in a program: a function, the app."""
    return (
        f"is in {file}, which a task process would have to import, and that would run line {line} of it once more: put "
        'what {file} does under `if __name__ == "__main__":`, or move it to a module of its own'
    ).replace("{file}", file)


class WithoutApp(Event, level=WARNING):
    why: str
    sentence = "task processes run without the app and its lifespan, since it {why}"


def not_found(function: str, error: str) -> str:
    """Why the code does not know a task."""
    return f"{one_line(function, MOST_NAME)} and its arguments cannot be had: {error}"
