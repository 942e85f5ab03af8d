"""What tasks do to the event loop that they share, and what they are told of it."""

from __future__ import annotations

from logging import CRITICAL, ERROR, WARNING

from outlast.events.event import Event


def loop_is_shared(what: str) -> str:
    """Why a task cannot do that to its event loop."""
    return f"a task cannot call {what}() of its event loop: other tasks run on it. Return, or raise an exception"


CANCELS_OTHERS = (
    "this would cancel what other tasks do: asyncio.all_tasks() shows theirs, too. Cancel what this task has made "
    "(asyncio.TaskGroup, or the tasks it has kept), or another task by `await outlast.cancel(id)`"
)


def cancelled_by_another(task_id: str, function: str) -> str:
    """Why an attempt is over that others have cancelled, to be put behind `cut since`."""
    return f"{_whose(task_id, function)} cancelled what other tasks do on the event loop that they share"


class LoopSwept(Event, level=ERROR):
    """Code has cancelled what is not its own. `task_id`: whose code that is, empty for that of no task."""

    pid: int
    task_id: str
    function: str

    def __str__(self) -> str:
        return (
            f"{_whose(self.task_id, self.function)} cancels what others do on the event loop of task process {self.pid}"
            ": those it has hit run again, which is not counted against them, and the process takes no more work"
        )


def ended_its_loop(what: str, where: str) -> str:
    """Why an attempt is over whose sub-task has ended the event loop; `what` was raised."""
    return f"it ended the event loop of its process: {what} in {where}"


class LoopEnded(Event, level=ERROR):
    pid: int
    task_id: str
    function: str
    what: str
    where: str

    def __str__(self) -> str:
        ended = f"{_whose(self.task_id, self.function)} ended the event loop of task process {self.pid}"
        return f"{ended}: {self.what} in {self.where}; the other tasks in it go on"


class LoopStopped(Event, level=WARNING):
    pid: int
    sentence = "code of no task stopped the event loop of task process {pid}; it runs on, since tasks need it"


class LoopBroke(Event, level=CRITICAL):
    pid: int
    sentence = (
        "the event loop of task process {pid} broke: it ends itself, and what that means for its tasks is said next"
    )


def _whose(task_id: str, function: str) -> str:
    return f"task {task_id} ({function})" if task_id else "code of no task"
