"""What becomes of a task when its request is over. Pure: what was seen in, decision out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from starlette.requests import ClientDisconnect

from outlast.text import in_brief, is_a

TOO_LATE = "it was added when its response was over already, for example at the exit of a dependency"
NEVER_SENT = "its response was never sent, for example because another one was sent in its place"
OWN_BACKGROUND = (
    "the response that was sent has background tasks of its own, and FastAPI then ignores the others "
    "(fastapi#11215): add all of them to one object"
)
CLIENT_LEFT_INLINE = "its request was cancelled before it could run (lane inline): it cannot travel to another process"
BAD = 400  # statuses from here on are those of exceptions, nearly always


class Ended(Enum):
    """How an ASGI call ended."""

    RETURNED = "returned"
    RAISED = "raised"  # the handler or the exit of a dependency
    LEFT = "left"  # the client was gone
    CANCELLED = "cancelled"  # by the server, which nothing can be awaited in any more


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of an ASGI call. `status` is 0 when no response was started."""

    ended: Ended
    status: int
    what: str = ""

    @classmethod
    def of(cls, error: BaseException | None, refused_by: OSError | None, status: int) -> Ending:
        """From the exception that left the call, and the one with which the server refused a message."""
        if error is None:
            return cls(Ended.RETURNED, status)
        cause = _cause(error)
        if not is_a(cause, Exception):
            return cls(Ended.CANCELLED, status, "its request was cancelled")
        if cause is refused_by or is_a(cause, ClientDisconnect):
            return cls(Ended.LEFT, status, "its client left")
        return cls(Ended.RAISED, status, in_brief(cause))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a box knows of one task in the end.

    held: it waits in the journal, or in a test's memory, for the end of its response.
    inline: it can run here only.
    called: Starlette has called it, so its response was sent.
    promised: it was added through `outlast.BackgroundTasks`, which no response has to carry.
    over: it has run inline, or runs without a hold.
    late: it was added after the response had started.
    lost: why it was given up before, empty if it was not.
    outdone: a response with tasks of its own was there, but did not carry this one.
    """

    held: bool
    inline: bool = False
    called: bool = False
    promised: bool = False
    over: bool = False
    late: bool = False
    lost: str = ""
    outdone: bool = False


class Verdict(Enum):
    """What to do with a task."""

    NOTHING = "nothing"
    RELEASE = "release"
    RUN_INLINE = "run inline"
    DROP = "drop"
    RECORD = "record as dropped"


@dataclass(frozen=True, slots=True)
class Fate:
    """A verdict, and for a task that will not run, why."""

    verdict: Verdict
    reason: str = ""


NOTHING = Fate(Verdict.NOTHING)
RELEASE = Fate(Verdict.RELEASE)
RUN_INLINE = Fate(Verdict.RUN_INLINE)


def fate(task: Seen, ending: Ending) -> Fate:
    """The table of what becomes of a task."""
    if task.over:
        return NOTHING
    if not task.held:
        return Fate(Verdict.RECORD, _why_never_held(task, ending))
    match ending.ended:
        case Ended.RAISED:
            return Fate(Verdict.DROP, f"its request failed with {ending.what}")
        case Ended.LEFT:
            return _go(task)
        case Ended.CANCELLED:
            return _go(task) if not task.inline else Fate(Verdict.DROP, CLIENT_LEFT_INLINE)
        case Ended.RETURNED:
            return _go(task) if task.called or task.promised else Fate(Verdict.DROP, _why_never_called(task))


def _go(task: Seen) -> Fate:
    return RUN_INLINE if task.inline else RELEASE


def _why_never_called(task: Seen) -> str:
    return TOO_LATE if task.late else NEVER_SENT


def _why_never_held(task: Seen, ending: Ending) -> str:
    if task.lost:
        return task.lost
    if ending.ended is Ended.RAISED:
        return f"its request failed with {ending.what}"
    if not ending.status:
        return f"{ending.what or 'its request ended'} before a response was started"
    if task.outdone:
        return OWN_BACKGROUND
    if ending.status >= BAD:
        return (
            f"its request was answered {ending.status} by an exception handler or a middleware: tasks added before "
            "that are dropped (FastAPI does the same)"
        )
    return f"the response that answered its request ({ending.status}) does not carry it (FastAPI drops it, too)"


def _cause(error: BaseException) -> BaseException:
    """Starlette puts an exception that a handler cannot answer any more into a RuntimeError."""
    if type(error) is RuntimeError and error.__cause__ is not None:
        return error.__cause__
    return error
