"""Why a task that a request has asked for is dropped, runs inline or could not be stored."""

from __future__ import annotations

from collections.abc import Sequence
from logging import ERROR, WARNING

from outlast.events.event import Event

TOO_LATE = "it was added when its response was over already, for example at the exit of a dependency"
NEVER_SENT = "its response was never sent, for example because another one was sent in its place"
OWN_BACKGROUND = (
    "the response that was sent has background tasks of its own, and FastAPI then ignores the others "
    "(fastapi#11215): add all of them to one object"
)
REFUSED = "its request was refused, since the journal did not take another task of it or could not be asked"
CLIENT_LEFT_INLINE = "its request was cancelled before it could run (lane inline): it cannot travel to another process"
NOT_RUN = f"a background task is not run: {OWN_BACKGROUND}"
BAD = 400  # statuses from here on are those of exceptions, nearly always


def failed(what: str) -> str:
    return f"its request failed with {what}"


def not_carried(status: int) -> str:
    if status >= BAD:
        return (
            f"its request was answered {status} by an exception handler or a middleware: tasks added before that are "
            "dropped (FastAPI does the same)"
        )
    return f"the response that answered its request ({status}) does not carry it (FastAPI drops it, too)"


def cut_inline(what: str) -> str:
    """Why an inline task is over whose request was ended by that."""
    return f"its request was ended by {what} while it ran in it (lane inline): it cannot travel, so it is not run again"


def runs_inline(function: str, why: str) -> str:
    """Said once for a line that adds it."""
    return f"task {function} runs inline, in the web worker, and is lost when that dies: {why}"


def mixed(inline: Sequence[str]) -> str:
    """Said once for a line whose response has tasks of both kinds."""
    return (
        f"among the tasks of this response, these run inline, in the web worker: {', '.join(inline)}; "
        "the order they were added in holds among those and among the others, not between the two"
    )


def unstored(functions: Sequence[str]) -> str:
    return f"background task{'s' * (len(functions) > 1)} could not be stored ({', '.join(functions)})"


class TasksNotStored(Event, level=ERROR):
    """A request has asked for tasks that the journal does not take. `what`: which, and what becomes of them."""

    what: str
    times: int

    def __str__(self) -> str:
        return self.what + (f" ({self.times} times since this was last said)" if self.times > 1 else "")


class StoredAgain(Event, level=WARNING):
    times: int
    sentence = "tasks are stored again; meanwhile the same went wrong {times} times more"


class SiteWarned(Event, level=WARNING):
    """About a line of the user's code that adds a task. `what`: the sentence. `is_last`: no more is said about it."""

    site: str
    what: str
    is_last: bool

    def __str__(self) -> str:
        return f"{self.site}: {self.what}" + ("; nothing more is said about this line" if self.is_last else "")


class RunsOnTrio(Event, level=WARNING):
    sentence = (
        "this server runs the app on trio, and outlast needs asyncio: its background tasks run inline, in the web "
        "worker, and are lost when that dies, as with FastAPI alone; run it on asyncio (hypercorn without -k trio)"
    )


NOTHING_FLOWS = (
    "what it returns is to go to a task that runs after it, but no results are kept, by the setting `max_result`: "
    "set that, or make the call by `.si(...)`, which gets nothing"
)
SEQUELS_LOST = "; what is to run after it (`then`, `on_failure`) does not run"
OPTIONS_LOST = "; what its options ask for (retries, limits, a delay, a key) does not hold there"
