"""What a runner allows its children: timeouts, cancels, how long a loop may be blocked."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from outlast import endings
from outlast.kernel import is_stopped
from outlast.outcome import Cut, Happening, Stuck, Why, fate_of
from outlast.runner.children import Child, Stop
from outlast.runner.ladder import Grip, Rung, Sight, next_rung
from outlast.runner.staff import Role
from outlast.settings import Settings
from outlast.tasks import Claimed
from outlast.text import MOST_NAME, one_line

log = logging.getLogger("outlast")
Ended = list[tuple[Claimed, Happening]]
TIME_TO_DIE = 1.0  # seconds from a hang-up on, in which a process that ends by itself has ended
TIME_TO_BELIEVE = 0.5  # seconds until a child that is blocked or silent has been found out


def enforce(child: Child, settings: Settings, now: float) -> Ended:
    """Tell what has to stop to do so, and go one rung further where it does not; returns what has ended by that."""
    if child.hung_up_at is not None:
        if now - child.hung_up_at > TIME_TO_DIE:
            child.end(endings.hung_up_on(""))
        return []
    if child.leaving is not None and now - child.leaving.at > settings.grace:
        child.end(child.leaving.why)  # what is in it ends with it
        return []
    for task, stop in _due(child, settings, now).items():
        child.tell_to_stop(task, stop)
    for task, stop in list(child.stops.items()):
        match _rung(child, task, settings, now):
            case Rung.INTERRUPT:
                child.interrupt(task, now)
            case Rung.RETIRE if not child.is_draining:
                function = one_line(child.attempts[task].function, MOST_NAME)
                log.warning("%s", endings.stopping(child.pid, task, function, stop.why.value))
                child.drain()
            case Rung.KILL if child.leaving is None:  # else it may have something to leave behind, and has its time
                return _end_with(child, task, now)
    return _end_stuck(child, now) if _is_stuck(child, settings, now) else []


def cancel(child: Child, tasks: Collection[int], now: float) -> None:
    """Somebody has cancelled these tasks; those whose loop another one blocks hear of it when it is free."""
    for task in child.attempts.keys() & set(tasks) - child.stops.keys():
        if child.grip_of(task, now) is not Grip.WAITS:
            child.tell_to_stop(task, Stop(Why.CANCEL, now, now - child.begun[task]))


def forgive(child: Child, seconds: float) -> None:
    """The loop was blocked for `seconds`: those that could not go on meanwhile get that time back."""
    for task in child.deadlines:
        if task != child.blocked_by:
            child.deadlines[task] += seconds


def _due(child: Child, settings: Settings, now: float) -> dict[int, Stop]:
    """What has to stop from now on. An attempt that cannot hear it, since another blocks the loop, may go on."""
    over = [task for task, deadline in child.deadlines.items() if deadline <= now and task not in child.stops]
    due = {task: Stop(Why.TIMEOUT, now, now - child.begun[task]) for task in over}
    due = {task: stop for task, stop in due.items() if child.grip_of(task, now) is not Grip.WAITS}
    blocker = child.attempts.get(child.blocked_by)
    if child.blocked_since is None or blocker is None or blocker.timeout is not None or _has_all_for_itself(child):
        return due
    seconds = now - child.blocked_since
    if seconds >= settings.stall_limit and blocker.id not in child.stops:
        due[blocker.id] = Stop(Why.STALL, now, seconds)
    return due


def _rung(child: Child, task: int, settings: Settings, now: float) -> Rung:
    others = bool(child.attempts.keys() - child.stops.keys())
    stop = child.stops[task]
    seen = Sight(child.grip_of(task, now), now - stop.at, now - (stop.interrupted_at or now), others)
    return next_rung(seen, settings.stall_after + TIME_TO_BELIEVE, settings.grace)


def _has_all_for_itself(child: Child) -> bool:
    return child.role is Role.ALONE and len(child.attempts) == 1


def _is_stuck(child: Child, settings: Settings, now: float) -> bool:
    """Whether it has done nothing for too long, and nobody can tell which attempt it is."""
    if not child.attempts or child.stops or _has_all_for_itself(child):
        return False
    silent_since = child.heard_at if child.is_silent(now) else now
    blocked_since = child.blocked_since if child.blocked_since and child.blocked_by not in child.attempts else now
    return now - min(silent_since, blocked_since) >= settings.stall_limit


def _end_with(child: Child, task: int, now: float) -> Ended:
    """End the process of an attempt that did not listen. While it was silent, any attempt in it may be to blame."""
    if child.grip_of(task, now) is Grip.SILENT and len(child.attempts) > 1:
        return _end_stuck(child, now, cancelled=[one for one, stop in child.stops.items() if stop.why is Why.CANCEL])
    why = endings.beside_stopped(task, child.pid)
    stopped = {one: stop.heeded(child.pid) for one, stop in child.stops.items()}
    return _ended(child, {one: stopped.get(one, Cut(why)) for one in child.attempts}, why, now)


def _end_stuck(child: Child, now: float, cancelled: Collection[int] = ()) -> Ended:
    silent = now - min(child.heard_at, child.blocked_since or now)
    suspects = child.attempts.keys() - set(cancelled)
    stopped = is_stopped(child.pid)
    stuck = Stuck(child.pid, silent, len(suspects), stopped)
    told = {one: child.stops[one].heeded(child.pid) for one in cancelled}
    why = endings.silent(silent, stopped=stopped)
    return _ended(child, {one: told.get(one, stuck) for one in child.attempts}, why, now)


def _ended(child: Child, happenings: Mapping[int, Happening], why: str, now: float) -> Ended:
    child.end(why)
    child.fates = {task: fate_of(happening) for task, happening in happenings.items()}
    return [(attempt, happenings[attempt.id]) for attempt in child.give_up(list(child.attempts), now)]
