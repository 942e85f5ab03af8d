"""What happened to an attempt -> how it ended and what becomes of its task. Pure: evidence in, decision out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from outlast.events import endings
from outlast.tasks.policy import chance_of, kinds_of
from outlast.tasks.task import FINISHED, Claimed, End, Settlement, State


@dataclass(frozen=True, slots=True)
class Returned:
    """The function returned. result: as JSON, see outlast.functions.results; lost: why that is not kept."""

    result: str | None = None
    lost: str = ""


RETURNED = Returned()


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised: `reason` is the exception in one line, `kinds` the names of its classes."""

    reason: str
    traceback: str
    kinds: tuple[str, ...] = ()


class Wish(StrEnum):
    """What a task may want by what it raises."""

    RETRY = "retry"
    SNOOZE = "snooze"
    DISCARD = "discard"


@dataclass(frozen=True, slots=True)
class Wished:
    """The function raised to say what is to become of its task. after: seconds, if it said so."""

    wish: Wish
    reason: str
    after: float | None = None
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Died:
    """The attempt's process ended before the attempt did, and the attempt is to blame.

    `how` it ended in words; `stack` is what the process wrote in its last moment, or empty.
    """

    pid: int
    how: str
    stack: str = ""


@dataclass(frozen=True, slots=True)
class Suspected:
    """The attempt's process died, and this is one of `among` attempts that may be to blame."""

    pid: int
    how: str
    among: int


@dataclass(frozen=True, slots=True)
class Beside:
    """The attempt's process died, and it is known that another attempt is to blame."""

    pid: int
    how: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The attempt was ended from outside, as announced, and is not to blame."""

    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The code of its process does not know the task: no such function, or other parameters. Nothing of it has run."""

    why: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Unbegun:
    """The attempt was claimed and has not begun, and now it will not."""

    why: str


class Why(Enum):
    """Why an attempt has to stop."""

    TIMEOUT = "its timeout is over"
    CANCEL = "somebody has cancelled it"
    STALL = "it blocks the event loop that others need"
    LEAVE = "its process has to leave"


@dataclass(frozen=True, slots=True)
class Stopped:
    """The attempt was made to stop after `seconds`. `pid` is that of its process if that had to be ended, else 0.

    `traceback` shows where it was, if it ended by itself when it was told. because: why its process had to leave.
    """

    why: Why
    seconds: float
    pid: int = 0
    traceback: str = ""
    because: str = ""


@dataclass(frozen=True, slots=True)
class Stuck:
    """The attempt's process was silent and was ended: one of `among` attempts held the interpreter's lock.

    stopped: or a signal had stopped it, as the kernel said.
    """

    pid: int
    seconds: float
    among: int
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class WentDown:
    """Everything went down at once without a word: runner, container or machine. Nobody is to blame, but it counts."""

    why: str


Happening = (
    Returned | Raised | Wished | Died | Suspected | Beside | Cut | Unknown | Unbegun | Stopped | Stuck | WentDown
)
MOST_RESULT = 1 << 20  # bytes of what is returned that are kept, whatever the setting says
ALONE_AFTER = 2  # times that everything went down while a task ran: from then on nothing runs beside it
MOST_CUTS = 5  # and that many times are enough
_TIMEOUT_KINDS = kinds_of(TimeoutError)


def outcome(happened: Happening, attempt: Claimed, max_crashes: int) -> Settlement:
    """The settlement of `attempt`. A task that killed its process `max_crashes` times is not run again."""
    match happened:
        case Returned(result, lost):
            settled = Settlement(attempt.id, attempt.attempt, End.DONE, State.DONE, lost, result=result)
        case Raised(reason, traceback, kinds):
            failed = Settlement(attempt.id, attempt.attempt, End.ERROR, State.FAILED, reason, traceback)
            settled = _tried_again(failed, attempt) if attempt.policy.covers(kinds) else failed
        case Wished():
            settled = _as_wished(attempt, happened)
        case Died():
            settled = _after_dying(attempt, happened, max_crashes)
        case Suspected(pid, how, among):
            group_size = max(1, among // 2)
            settled = _again(attempt, endings.suspected(pid, how, among, group_size), group_size=group_size)
        case Beside(pid, how):
            settled = _again(attempt, endings.beside(pid, how))
        case Cut(why):
            settled = _again(attempt, endings.interrupted(why))
        case Unknown(why, traceback):
            settled = Settlement(attempt.id, attempt.attempt, End.PARKED, State.PARKED, why, traceback)
        case Unbegun(why):
            settled = _again(attempt, endings.not_begun(why))
        case Stopped():
            settled = _after_stopping(attempt, happened)
        case Stuck(pid, seconds, among, stopped):
            group_size, silent = max(1, among // 2), endings.silent(seconds, stopped=stopped)
            settled = _again(attempt, endings.stuck(pid, silent, among, group_size), group_size=group_size)
        case WentDown(why):
            settled = _after_going_down(attempt, why)
    return settled if attempt.policy.reruns else _not_rerun(settled, happened, attempt)


def fate_of(happened: Happening) -> str:
    """What the death of its process means for an attempt, in a few words."""
    match happened:
        case Died():
            return "charged with it"
        case Stopped(Why.CANCEL):
            return "cancelled"
        case Stopped(Why.TIMEOUT):
            return "failed, its timeout is over"
        case _:
            return "runs again, not counted against it"


def _after_dying(attempt: Claimed, died: Died, max_crashes: int) -> Settlement:
    crashes = attempt.crashes + 1
    state = State.WAITING if crashes < max_crashes else State.FAILED
    reason = endings.crashed(died.pid, died.how, crashes, max_crashes)
    return Settlement(attempt.id, attempt.attempt, End.CRASHED, state, reason, died.stack, group_size=1)


def _after_stopping(attempt: Claimed, stopped: Stopped) -> Settlement:
    seconds, pid, traceback = stopped.seconds, stopped.pid, stopped.traceback
    match stopped.why:
        case Why.TIMEOUT:
            reason = endings.timed_out(attempt.timeout or seconds, pid)
            failed = Settlement(attempt.id, attempt.attempt, End.TIMEOUT, State.FAILED, reason, traceback)
            return _tried_again(failed, attempt) if attempt.policy.covers(_TIMEOUT_KINDS) else failed
        case Why.CANCEL:
            reason = endings.cancelled(seconds, pid) if attempt.begun else endings.CANCELLED_BEFORE
            return Settlement(attempt.id, attempt.attempt, End.CANCELLED, State.CANCELLED, reason, traceback)
        case Why.STALL:
            again = _again(attempt, endings.stalled(seconds, pid), group_size=1)
        case Why.LEAVE:
            again = _again(attempt, endings.interrupted(stopped.because))
    return again._replace(traceback=traceback)


def _tried_again(
    failed: Settlement, attempt: Claimed, most: int | None = None, after: float | None = None
) -> Settlement:
    """After a pause, if a retry is left of `most`, by default those of its policy."""
    most, retry = attempt.policy.retries if most is None else most, attempt.retried + 1
    if retry > most:
        return failed._replace(reason=endings.no_retry_left(failed.reason, most)) if most else failed
    delay = attempt.policy.backoff.delay(retry, chance_of(attempt.id, attempt.attempt)) if after is None else after
    reason = endings.tried_again(failed.reason, delay, retry, most)
    return failed._replace(state=State.WAITING, reason=reason, retried=1, delay=delay)


def _as_wished(attempt: Claimed, wished: Wished) -> Settlement:
    traceback, after = wished.traceback, wished.after
    match wished.wish:
        case Wish.RETRY:
            reason = wished.reason or endings.RETRY_RAISED
            failed = Settlement(attempt.id, attempt.attempt, End.RETRY, State.FAILED, reason, traceback)
            return _tried_again(failed, attempt, attempt.policy.by_wish, after)
        case Wish.SNOOZE:
            reason = endings.snoozed(after or 0.0, wished.reason)
            return Settlement(attempt.id, attempt.attempt, End.SNOOZED, State.WAITING, reason, delay=after or 0.0)
        case Wish.DISCARD:
            reason = endings.discarded(wished.reason)
            return Settlement(attempt.id, attempt.attempt, End.CANCELLED, State.CANCELLED, reason)


def _not_rerun(settled: Settlement, happened: Happening, attempt: Claimed) -> Settlement:
    """Of a task that must not run twice: what has begun and was cut has failed."""
    is_cut = settled.end in (End.INTERRUPTED, End.CRASHED) and attempt.begun and not isinstance(happened, Unbegun)
    if not is_cut or settled.state in FINISHED:
        return settled
    return settled._replace(state=State.FAILED, reason=endings.not_rerun(settled.reason), group_size=None)


def unless_cancelled(settlement: Settlement) -> Settlement:
    """The settlement of a task that somebody has cancelled while it ran, and that would otherwise run again."""
    reason = endings.cancelled_when_cut(settlement.reason)
    return settlement._replace(state=State.CANCELLED, reason=reason)


def _again(attempt: Claimed, reason: str, group_size: int | None = None) -> Settlement:
    return Settlement(attempt.id, attempt.attempt, End.INTERRUPTED, State.WAITING, reason, group_size=group_size)


def _after_going_down(attempt: Claimed, why: str) -> Settlement:
    cuts = attempt.cuts + 1
    state = State.WAITING if cuts < MOST_CUTS else State.FAILED
    group_size = 1 if cuts >= ALONE_AFTER else None
    reason = endings.went_down(why, cuts, ALONE_AFTER, MOST_CUTS)
    return Settlement(attempt.id, attempt.attempt, End.INTERRUPTED, state, reason, group_size=group_size, cuts=1)
