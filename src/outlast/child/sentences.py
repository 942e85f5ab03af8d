"""The sentences of a task process: what its tasks do to the event loop, and to the memory, that they share."""

from __future__ import annotations

from collections.abc import Sequence

from outlast import events
from outlast.tasks import shown
from outlast.text import MOST_NAME, one_line

GUARD = "`if not outlast.in_task_process():`"


def failed(task: str, function: str, attempt: int) -> str:
    """An attempt has raised; `task` is its id as people see it."""
    return f"task {task} {one_line(function, MOST_NAME)} failed on attempt {attempt}"


NO_REASON = "an error that it does not name"


def import_broke(app: str, what: str, where: str) -> str:
    """Why a task process cannot start: its app cannot be imported."""
    return f"{f'importing {app}' if app else 'starting'} raised {what}{where and f' ({where})'}"


def lifespan_broke(lifespan: str, what: str, where: str) -> str:
    """Why a task process cannot start: it cannot do what a web worker has done at its start."""
    return (
        f"the lifespan of {lifespan} raised {what}{where and f' ({where})'}. If that is for the web server alone, "
        f"guard it with {GUARD}, or set child_lifespan"
    )


def not_found(function: str, error: str) -> str:
    """Why the code does not know a task."""
    return f"{one_line(function, MOST_NAME)} and its arguments cannot be had: {error}"


def callback_failed(name: str, task: str) -> str:
    """A callback of the app has raised."""
    return f"the callback {one_line(name, MOST_NAME)} failed when it was told of the end of task {task}"


def no_callbacks() -> str:
    """The web worker has registered what this process has not."""
    return (
        "callbacks are registered in the web worker (outlast.on_end, outlast.on_failure) and not in this task process: "
        "they are told of nothing. Register them where the module of the app is imported, not under `__main__` or later"
    )


def end_not_told(task: str, function: str) -> str:
    """Each process that has told callbacks of an end has died meanwhile."""
    return (
        f"callbacks are not told of the end of task {task} {one_line(function, MOST_NAME)} any more: "
        "the processes that did so before have died of it"
    )


def import_started(app: str, started: Sequence[str]) -> str:
    """What is there in each process that imports the app; empty if nothing."""
    if not started:
        return ""
    return (
        f"importing {app} has started {listed(started)}, and does so in each task process, too: if only one may run, "
        f"guard it with {GUARD}"
    )


def lifespan_started(lifespan: str, started: Sequence[str], places: Sequence[str]) -> str:
    """What is there in each process that enters the lifespan; empty if nothing. places: where it may be started."""
    if not started:
        return ""
    where = f", in {listed(places)}" if places else ""
    return (
        f"the lifespan of {lifespan} has started {listed(started)}{where}, and does so in each task process, too: if "
        f"only one may run, guard it with {GUARD}, or set child_lifespan"
    )


def lifespan_repeats(lifespan: str, lines: Sequence[str]) -> str:
    """What each process does that enters the lifespan, and nobody sees afterwards; empty if nothing."""
    if not lines:
        return ""
    return (
        f"the lifespan of {lifespan} {listed(lines)}, and does so in each task process, too, whenever one starts: if "
        f"that is for the start of the server alone, guard it with {GUARD}, or set child_lifespan"
    )


def listed(things: Sequence[str], most: int = 5) -> str:
    """Several things in a sentence."""
    more = f"and {len(things) - most} more" if len(things) > most else ""
    return ", ".join(filter(None, [*things[:most], more]))


def loop_is_shared(what: str) -> str:
    """Why a task cannot do that to its event loop."""
    return f"a task cannot call {what}() of its event loop: other tasks run on it. Return, or raise an exception"


def cancels_others() -> str:
    """Why a task cannot cancel what it has not made."""
    return (
        "this would cancel what other tasks do: asyncio.all_tasks() shows theirs, too. Cancel what this task has made "
        "(asyncio.TaskGroup, or the tasks it has kept), or another task by `await outlast.cancel(id)`"
    )


def cancelled_by_another(task: int, function: str) -> str:
    """Why an attempt is over that others have cancelled, to be put behind `cut since`."""
    return f"{_whose(task, function)} cancelled what other tasks do on the event loop that they share"


def swept(pid: int, task: int, function: str) -> str:
    """Code has cancelled what is not its own."""
    return (
        f"{_whose(task, function)} cancels what others do on the event loop of task process {pid}: those it has hit "
        "run again, which is not counted against them, and the process takes no more work"
    )


def ended_its_loop(what: str, where: str) -> str:
    """Why an attempt is over whose sub-task has ended the event loop; `what` was raised."""
    return f"it ended the event loop of its process: {what} in {where}"


def loop_ended(pid: int, what: str, where: str, task: int, function: str) -> str:
    """An event loop that others share was ended, and runs on."""
    who = _whose(task, function)
    return f"{who} ended the event loop of task process {pid}: {what} in {where}; the other tasks in it go on"


def loop_stopped(pid: int) -> str:
    """Code of no task has stopped an event loop, which runs on."""
    return f"{_whose(0, '')} stopped the event loop of task process {pid}; it runs on, since tasks need it"


def loop_broke(pid: int) -> str:
    """An event loop cannot go on."""
    return f"the event loop of task process {pid} broke: the process ends, and what ran in it runs again"


def _whose(task: int, function: str) -> str:
    return f"task {shown(task)} ({function})" if task else "code of no task"


def ignores_memory_error(memory: int) -> str:
    """Why an attempt is over that went on asking."""
    return f"MemoryError: {events.out_of_memory(memory)}, went on after each MemoryError, and its process was ended"
