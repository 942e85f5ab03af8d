"""From the remains of a process to its incident: what the survivor adds to what the dead has left."""

from __future__ import annotations

import time
from collections.abc import Mapping

from outlast.events.deaths import ProcessDied
from outlast.system.kernel import boot_id
from outlast.system.machine import HOST
from outlast.system.memory import kills_counted_in
from outlast.watch.incident import Cause, Incident, IncidentKind
from outlast.watch.recovered import Remains
from outlast.watch.verdict import Evidence, judge

FRESH = 30.0  # seconds for which a count of OOM kills that has risen may be about this death


def witnessed(
    remains: Remains,
    heard_at: float | None,
    *,
    status: int | None = None,
    out_of_memory: bool | None = False,
    ended_by_us: str = "",
    fates: Mapping[int, str] | None = None,
) -> Evidence:
    """What a survivor has seen of a death. `heard_at`: when (monotonic seconds); None if it was not there to see it."""
    died_at, is_of_this_boot = _died_at(remains, heard_at), _is_of_this_boot(remains)
    last = max(remains.vitals.loop_beat, remains.vitals.watch_beat)
    age = time.monotonic() - (died_at or last) if is_of_this_boot else 0.0
    at, is_rebooted = time.time() - age, not is_of_this_boot
    return Evidence(remains, at, died_at, status, out_of_memory, ended_by_us, is_rebooted, fates or {})


def incident_of(found: Evidence) -> Incident:
    """The verdict, also said in the log."""
    incident = judge(found)
    ProcessDied(incident.sentence, incident.process, incident.pid, incident.cause, incident.culprit).tell()
    return incident


def incident_of_start(process_kind: str, said: str, at: float) -> Incident:
    """Of a process that could not start: the log has said it, in one sentence, and a stack behind a line break."""
    sentence, _, stack = said.partition("\n")
    return Incident(IncidentKind.DEATH, Cause.START, process_kind, 0, at, 0.0, "", sentence, stack)


def has_run_out(remains: Remains) -> bool | None:
    """Whether the kernel's count of OOM kills has risen since the process last looked, a moment ago; None: not known.

    The count is that of the process's memory cgroup, of which the survivor need not be.
    """
    is_of_here = remains.owner.machine == HOST and _is_of_this_boot(remains)
    kills = kills_counted_in(remains.owner.oom_file) if is_of_here else None
    if kills is None:
        return None
    if kills <= (remains.vitals.oom_kills or remains.owner.oom_kills):
        return False
    last = max(remains.vitals.loop_beat, remains.vitals.watch_beat)
    return True if time.monotonic() - last < FRESH else None


def _died_at(remains: Remains, heard_at: float | None) -> float | None:
    """Monotonic seconds: when it was heard of, or when C wrote the stack of what broke it; None if nobody knows."""
    if not _is_of_this_boot(remains):
        return None
    if heard_at is not None:
        return heard_at
    return time.monotonic() - (time.time() - remains.crash.at) if remains.crash.error else None


def _is_of_this_boot(remains: Remains) -> bool:
    return bool(remains.owner.boot) and remains.owner.boot == boot_id()
