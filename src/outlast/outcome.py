"""What happened to an attempt -> how it ended and what becomes of its task. Pure: evidence in, decision out."""

from __future__ import annotations

from dataclasses import dataclass

from outlast import events
from outlast.tasks import Claimed, End, Settlement, State


@dataclass(frozen=True, slots=True)
class Returned:
    """The function returned."""


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised: `reason` is the exception in one line."""

    reason: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Died:
    """The attempt's process ended before the attempt did. `status` is negative for a signal."""

    pid: int
    status: int


@dataclass(frozen=True, slots=True)
class Cut:
    """The attempt was ended from outside and is not to blame."""

    why: str


Happening = Returned | Raised | Died | Cut


def outcome(happened: Happening, attempt: Claimed, max_crashes: int) -> Settlement:
    """The settlement of `attempt`. A task whose process died `max_crashes` times is not run again."""
    match happened:
        case Returned():
            return Settlement(attempt.id, attempt.attempt, End.DONE, State.DONE)
        case Raised(reason, traceback):
            return Settlement(attempt.id, attempt.attempt, End.ERROR, State.FAILED, reason, traceback)
        case Died(pid, status):
            crashes = attempt.crashes + 1
            state = State.WAITING if crashes < max_crashes else State.FAILED
            reason = events.crashed(pid, status, crashes, max_crashes)
            return Settlement(attempt.id, attempt.attempt, End.CRASHED, state, reason)
        case Cut(why):
            reason = events.interrupted(why)
            return Settlement(attempt.id, attempt.attempt, End.INTERRUPTED, State.WAITING, reason)


def inline_cut(attempt: Claimed, pid: int) -> Settlement:
    """The settlement of an inline attempt whose web worker died: there is nothing that could be run again."""
    return Settlement(attempt.id, attempt.attempt, End.INTERRUPTED, State.FAILED, events.inline_cut(pid))
