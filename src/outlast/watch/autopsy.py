"""From the remains of a process to its incident: what the survivor adds to what the dead has left."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from outlast.incidents import Cause, Incident, Kind
from outlast.kernel import boot_id
from outlast.watch.remains import Remains
from outlast.watch.verdict import Evidence, judge

log = logging.getLogger("outlast")
FRESH = 30.0  # seconds for which a count of OOM kills that has risen may be about this death


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What a survivor has seen of a death. `at_once`: it has heard of it within a moment.

    status: the exit status, negative for a signal; None if nobody tells. out_of_memory: the kernel has killed for want
    of memory about then. by_us: why outlast has ended it, else empty. fates: what becomes of its tasks, by id.
    """

    at_once: bool
    out_of_memory: bool
    status: int | None = None
    by_us: str = ""
    fates: Mapping[int, str] = field(default_factory=dict)


def incident_of(remains: Remains, seen: Witnessed) -> Incident:
    """The verdict, also said in the log."""
    incident = judge(_evidence(remains, seen))
    log.error("%s", incident.sentence)
    return incident


def incident_of_start(process: str, why: str, at: float) -> Incident:
    """Of processes that cannot start: the log has said it."""
    sentence, _, stack = why.partition("\n")
    return Incident(
        Kind.DEATH, Cause.START, process, 0, at, 0.0, "", f"a new {process} cannot start: {sentence}", stack
    )


def has_run_out(remains: Remains, oom_kills: int) -> bool:
    """Whether the kernel's count of OOM kills has risen to `oom_kills` since the process last looked, a moment ago."""
    last = max(remains.vitals.loop_beat, remains.vitals.watch_beat)
    if remains.owner.machine != socket.gethostname() or not _is_of_this_boot(remains):
        return False
    return time.monotonic() - last < FRESH and oom_kills > (remains.vitals.oom_kills or remains.owner.oom_kills)


def _evidence(remains: Remains, seen: Witnessed) -> Evidence:
    died_at = _died_at(remains, seen)
    last = max(remains.vitals.loop_beat, remains.vitals.watch_beat)
    age = time.monotonic() - (died_at or last) if _is_of_this_boot(remains) else 0.0
    return Evidence(
        remains=remains,
        at=time.time() - age,
        died_at=died_at,
        status=seen.status,
        out_of_memory=seen.out_of_memory,
        ended_by_us=seen.by_us,
        is_rebooted=not _is_of_this_boot(remains),
        fates=seen.fates,
    )


def _died_at(remains: Remains, seen: Witnessed) -> float | None:
    """Monotonic seconds: now, or when it wrote its stack; None if nobody knows."""
    if not _is_of_this_boot(remains):
        return None
    if seen.at_once:
        return time.monotonic()
    return time.monotonic() - (time.time() - remains.crash_at) if remains.crash else None


def _is_of_this_boot(remains: Remains) -> bool:
    return bool(remains.owner.boot) and remains.owner.boot == boot_id()
