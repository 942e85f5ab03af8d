"""What is known of a dead process -> why it died, in one sentence. Pure. What is not known is said to be not known."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from outlast.events import deaths, endings, processes, stalls, words
from outlast.watch.crash import ABORTED
from outlast.watch.incident import Cause, Flight, Incident, IncidentKind
from outlast.watch.layout import LifeState, Server, StallNote, Vitals
from outlast.watch.recovered import Remains

IMPATIENCE = 0.5  # of its timeout: gunicorn is told twice in it that all is well, and counts from the last time on
LATE = 1.0  # seconds by which it is told late, on a machine that is short of processors: who else sends SIGABRT?
LOST = 0.5  # seconds after which a watching thread, which looks ten times a second, does not run any more
SILENT = 1.0  # seconds without a sign of life that mean something
_BREAKS = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE})


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the survivor knows. `at`: when it heard of the death, seconds since the epoch; `died_at`: monotonic seconds.

    status: the exit status, negative for a signal; None if nobody tells. out_of_memory: the kernel's count of OOM
    kills has risen about then; None if nobody tells. ended_by_us: why outlast itself has ended it, else empty. died_at
    is None when the death was long ago, or on another boot: is_rebooted. fates: what becomes of tasks that were in it,
    by id.
    """

    remains: Remains
    at: float
    died_at: float | None = None
    status: int | None = None
    out_of_memory: bool | None = False
    ended_by_us: str = ""
    is_rebooted: bool = False
    fates: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Silence:
    """How long the event loop had been silent at the death (s), and why, as far as it was seen.

    whole: for how long the watching thread had been silent, too, if that was most of it; else 0. before: what it had
    seen until then, if that was who blocked the loop.
    """

    seconds: float
    cause: Cause = Cause.UNKNOWN
    whole: float = 0.0
    culprit: str = ""
    call: str = ""
    flight: Flight | None = None
    before: StallNote | None = None

    @property
    def lasted(self) -> float:
        """For how long it was as `cause` says (s)."""
        return self.whole or self.seconds

    @property
    def is_standstill(self) -> bool:
        """Whether no thread ran Python, and not the event loop alone was silent."""
        return self.cause in (Cause.HELD, Cause.FROZEN)

    def unheard_by(self, server: Server) -> float:
        """For how long the server heard nothing (s). One that looks at the lock cannot see a blocked loop."""
        if server.looks_at == "loop":
            return self.seconds
        return self.lasted if self.is_standstill else 0.0


def judge(found: Evidence) -> Incident:
    """The incident of a death."""
    silence = _silence(found)
    cause = _cause(found, silence)
    owner = found.remains.owner
    return Incident(
        kind=IncidentKind.DEATH,
        cause=cause,
        process=owner.kind,
        pid=owner.pid,
        at=found.at,
        seconds=silence.seconds if cause in (Cause.TIMEOUT, Cause.BLOCKED) else 0.0,
        culprit=_culprit(found, cause, silence),
        sentence=_sentence(found, cause, silence),
        stack=_stack(found),
        flights=_flights(found),
    )


def _cause(found: Evidence, silence: Silence) -> Cause:
    """The first whose rule holds."""
    return next(cause for cause, holds in _RULES if holds(found, silence))


def _was_cut_off(found: Evidence) -> bool:
    return found.remains.vitals.state is LifeState.CUT_OFF and found.status in (None, -signal.SIGKILL)


def _is_broken(found: Evidence) -> bool:
    if found.status is not None and -found.status in _BREAKS:
        return True
    broke = found.remains.crash.error
    return found.status is None and bool(broke) and broke != ABORTED


def _was_too_long(found: Evidence, silence: Silence) -> bool:
    """Whether its server has ended it since it heard nothing."""
    server = found.remains.owner.server
    if not server.patience or found.status not in (None, -signal.SIGABRT, -signal.SIGKILL):
        return False
    unheard, late = silence.unheard_by(server), LATE if found.status == -signal.SIGABRT else 0.0
    return unheard > 0 and unheard + late >= IMPATIENCE * server.patience


def _was_stopping(found: Evidence, _silence: Silence) -> bool:
    is_stopping = found.remains.vitals.state is LifeState.STOPPING
    return is_stopping and found.status in (None, -signal.SIGABRT, -signal.SIGKILL)


def _aborted_itself(found: Evidence, _silence: Silence) -> bool:
    """By C code, or os.abort(): one that waited for events was told to by somebody else."""
    return found.status == -signal.SIGABRT and not found.remains.crash.is_waiting


_RULES: Sequence[tuple[Cause, Callable[[Evidence, Silence], bool]]] = (
    (Cause.STOPPED, lambda found, _: bool(found.ended_by_us) or _was_cut_off(found)),
    (Cause.MEMORY, lambda found, _: bool(found.out_of_memory) and found.status in (None, -signal.SIGKILL)),
    (Cause.CRASH, lambda found, _: _is_broken(found)),
    (Cause.TIMEOUT, _was_too_long),
    (Cause.DRAIN, _was_stopping),
    (Cause.CRASH, _aborted_itself),
    (Cause.START, lambda found, _: found.remains.vitals.state is LifeState.STARTING),
    (Cause.UNKNOWN, lambda found, _: found.status is None),
    (Cause.SIGNAL, lambda found, _: (found.status or 0) < 0),
    (Cause.EXIT, lambda _found, _silence: True),
)


def _silence(found: Evidence) -> Silence:
    """From the beats: the watching thread goes on when only the loop is blocked, and is silent with it otherwise.

    What it has noted of the silence counts if it has seen most of that.
    """
    vitals, note = found.remains.vitals, _last_stall(found)
    since, end = _beats_until(vitals), _last_known(found)
    seconds, whole = end - since, end - max(since, vitals.watch_beat)
    if seconds < SILENT:
        return Silence(0.0)
    if whole > max(LOST, seconds / 2):
        if _is_of_the_silence(found, whole) and found.remains.crash.site:
            return Silence(seconds, Cause.HELD, whole, str(found.remains.crash.site))
        return Silence(seconds, Cause.FROZEN, whole, before=note if note and note.cause is Cause.BLOCKED else None)
    if note is None:
        return Silence(seconds)
    return Silence(seconds, note.cause, 0.0, note.culprit, note.call, note.flight)


def _last_stall(found: Evidence) -> StallNote | None:
    """What was noted of the one in which it died."""
    note = found.remains.stall
    return note if note is not None and not note.is_over else None


def _beats_until(vitals: Vitals) -> float:
    """When the loop beat for the last time, infinity if it does not have to: one that rests does not beat."""
    has_rested = vitals.state is LifeState.STOPPING and vitals.loop_beat < vitals.state_since - SILENT
    if has_rested or vitals.state is LifeState.RESTING:
        return inf
    return max(vitals.loop_beat, vitals.state_since) if vitals.state is LifeState.SERVING else vitals.loop_beat


def _last_known(found: Evidence) -> float:
    """Monotonic seconds of the death, else of the last sign of life."""
    vitals = found.remains.vitals
    return found.died_at if found.died_at is not None else max(vitals.watch_beat, vitals.loop_beat)


def _is_of_the_silence(found: Evidence, seconds: float) -> bool:
    """Whether C wrote its stack after the last beat: it may have been asked at some other time, too."""
    return found.at - found.remains.crash.at <= seconds


def _culprit(found: Evidence, cause: Cause, silence: Silence) -> str:
    if cause is Cause.TIMEOUT:
        return silence.culprit
    site = found.remains.crash.site if cause is Cause.CRASH else None
    return str(site) if site is not None else ""


def _stack(found: Evidence) -> str:
    """The last one that there is."""
    note = _last_stall(found)
    return found.remains.crash.excerpt or (note.stack if note is not None else "")


def _flights(found: Evidence) -> tuple[Flight, ...]:
    return found.remains.flights(_last_known(found))


def _sentence(found: Evidence, cause: Cause, silence: Silence) -> str:
    owner = found.remains.owner
    also = f"; {_described(silence)}" if silence.seconds and cause not in (Cause.TIMEOUT, Cause.CRASH) else ""
    flights = [deaths.in_flight(str(one), one.seconds, _fate(found, one)) for one in _flights(found)]
    return deaths.death(owner.kind, owner.pid, _how(found, cause, silence) + also, flights)


def _fate(found: Evidence, flight: Flight) -> str:
    usual = deaths.CUT_INLINE if flight.task and found.remains.owner.kind == words.WEB_WORKER else endings.CUT
    return found.fates.get(flight.task, usual)


def _how(found: Evidence, cause: Cause, silence: Silence) -> str:
    server, status, crash = found.remains.owner.server, found.status, found.remains.crash
    match cause:
        case Cause.STOPPED:
            return processes.ended_by_outlast(found.ended_by_us) if found.ended_by_us else processes.LOST_ITS_RUNNER
        case Cause.MEMORY:
            return deaths.out_of_memory(found.remains.vitals.memory)
        case Cause.CRASH:
            return deaths.broke(status, crash.error, crash.site)
        case Cause.TIMEOUT:
            return deaths.timed_out(server.name, server.patience, status, _described(silence))
        case Cause.DRAIN:
            since, is_idle = _since(found, found.remains.vitals.state_since), not _flights(found)
            limits = deaths.limits(server.name, server.graceful, server.patience if server.looks_at == "loop" else 0)
            return deaths.stopped_too_long(limits, since, status, is_idle=is_idle)
    broke, is_known = found.remains.vitals.state is LifeState.LOOP_BROKE, found.out_of_memory is not None
    plainly = {
        Cause.START: deaths.ended_at_start(status),
        Cause.SIGNAL: deaths.killed_from_outside(status, is_known=is_known),
        Cause.EXIT: processes.ITS_LOOP_BROKE if broke else deaths.left(status),
    }
    return plainly.get(cause, deaths.WENT_DOWN_TOO if found.is_rebooted else deaths.not_known(is_known=is_known))


def _described(silence: Silence) -> str:
    was_over = silence.is_standstill and not silence.whole
    said = deaths.silence(silence.cause, silence.lasted, _by_whom(silence), was_over=was_over)
    if silence.before is None:
        return said
    return said + deaths.blocked_before(silence.seconds - silence.whole, _by_whom(silence.before))


def _by_whom(found: Silence | StallNote) -> str:
    return stalls.by_whom(found.culprit, found.call, str(found.flight or ""))


def _since(found: Evidence, moment: float) -> float | None:
    return found.died_at - moment if found.died_at is not None else None
