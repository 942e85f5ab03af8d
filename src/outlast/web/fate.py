"""What becomes of a task when its request is over. Pure: what was seen in, decision out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from starlette.requests import ClientDisconnect

from outlast.events import requests
from outlast.text import in_brief, is_a


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
class TaskSeen:
    """What a box knows of one task in the end.

    held: it waits in the journal, or in a test's memory, for the end of its response.
    inline: it can run here only.
    called: Starlette has called it, so its response was sent.
    promised: it was added through `outlast.BackgroundTasks`, which no response has to carry.
    over: it has run inline, or runs without a hold.
    late: it was added after the response had started.
    lost: why it was given up before, empty if it was not.
    other_background_sent: a response with tasks of its own was there, but did not carry this one.
    """

    held: bool
    inline: bool = False
    called: bool = False
    promised: bool = False
    over: bool = False
    late: bool = False
    lost: str = ""
    other_background_sent: bool = False


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


def fate(task: TaskSeen, ending: Ending) -> Fate:
    """The table of what becomes of a task."""
    if task.over:
        return NOTHING
    if not task.held:
        return Fate(Verdict.RECORD, _why_never_held(task, ending))
    match ending.ended:
        case Ended.RAISED:
            return Fate(Verdict.DROP, requests.failed(ending.what))
        case Ended.LEFT:
            return _go(task)
        case Ended.CANCELLED:
            return _go(task) if not task.inline else Fate(Verdict.DROP, requests.CLIENT_LEFT_INLINE)
        case Ended.RETURNED:
            return _go(task) if task.called or task.promised else Fate(Verdict.DROP, _why_never_called(task))


def _go(task: TaskSeen) -> Fate:
    if task.lost:  # somebody has waited for it to be stored, and failed then
        return Fate(Verdict.DROP, task.lost)
    return RUN_INLINE if task.inline else RELEASE


def _why_never_called(task: TaskSeen) -> str:
    return requests.TOO_LATE if task.late else requests.NEVER_SENT


def _why_never_held(task: TaskSeen, ending: Ending) -> str:
    if task.lost:
        return task.lost
    if ending.ended is Ended.RAISED:
        return requests.failed(ending.what)
    if not ending.status:
        return f"{ending.what or 'its request ended'} before a response was started"
    if task.other_background_sent:
        return requests.OWN_BACKGROUND
    return requests.not_carried(ending.status)


def _cause(error: BaseException) -> BaseException:
    """Starlette puts an exception that a handler cannot answer any more into a RuntimeError."""
    if type(error) is RuntimeError and error.__cause__ is not None:
        return error.__cause__
    return error
