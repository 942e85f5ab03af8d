"""From the remains of a process to its incident: what the survivor adds to what the dead has left."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from outlast.incidents import Incident
from outlast.kernel import boot_id
from outlast.watch.remains import Remains
from outlast.watch.verdict import Evidence, judge

log = logging.getLogger("outlast")
FRESH = 30.0  # seconds for which a count of OOM kills that has risen may be about this death


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What a survivor has seen of a death. `at_once`: it has heard of it within a moment.

    status: the exit status, negative for a signal; None if nobody tells. oom_kills: the kernel's count now.
    by_us: why outlast has ended it, else empty. fates: what becomes of its tasks, by id.
    """

    at_once: bool
    oom_kills: int
    status: int | None = None
    by_us: str = ""
    fates: Mapping[int, str] = field(default_factory=dict)


def incident_of(remains: Remains, seen: Witnessed) -> Incident:
    """The verdict, also said in the log."""
    incident = judge(_evidence(remains, seen))
    log.error("%s", incident.sentence)
    return incident


def _evidence(remains: Remains, seen: Witnessed) -> Evidence:
    died_at = _died_at(remains, seen)
    last = max(remains.vitals.loop_beat, remains.vitals.watch_beat)
    age = time.monotonic() - (died_at or last) if _is_of_this_boot(remains) else 0.0
    return Evidence(
        remains=remains,
        at=time.time() - age,
        died_at=died_at,
        status=seen.status,
        out_of_memory=_has_run_out(remains, seen, age),
        ended_by_us=seen.by_us,
        fates=seen.fates,
    )


def _died_at(remains: Remains, seen: Witnessed) -> float | None:
    """Monotonic seconds: now, or when it wrote its stack; None if nobody knows."""
    if not _is_of_this_boot(remains):
        return None
    if seen.at_once:
        return time.monotonic()
    return time.monotonic() - (time.time() - remains.crash_at) if remains.crash else None


def _has_run_out(remains: Remains, seen: Witnessed, age: float) -> bool:
    before = remains.vitals.oom_kills or remains.owner.oom_kills
    is_same_count = remains.owner.machine == socket.gethostname() and _is_of_this_boot(remains)
    return is_same_count and age < FRESH and seen.oom_kills > before


def _is_of_this_boot(remains: Remains) -> bool:
    return bool(remains.owner.boot) and remains.owner.boot == boot_id()
