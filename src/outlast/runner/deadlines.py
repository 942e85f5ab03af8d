"""What a runner allows its children: timeouts, cancels, how long a loop may be blocked."""

from __future__ import annotations

from collections.abc import Collection

from outlast.events import endings
from outlast.runner.children import Child
from outlast.runner.ends import of_attempt
from outlast.runner.ladder import Grip, Rung, Sight, next_rung
from outlast.runner.running import Running, Stop
from outlast.runner.scaling import Role
from outlast.settings.settings import Settings
from outlast.system.kernel import is_stopped
from outlast.tasks.outcome import Cut, Happening, Stuck, Why, fate_of
from outlast.tasks.task import Claimed, Lane

Ended = list[tuple[Claimed, Happening]]
TIME_TO_DIE = 1.0  # seconds from a hang-up on, in which a process that ends by itself has ended
TIME_TO_BELIEVE = 0.5  # seconds until a child that is blocked or silent has been found out


def enforce(child: Child, now: float) -> Ended:
    """Tell what has to stop to do so, and go one rung further where it does not; returns what has ended by that."""
    parting, settings = child.parting, child.generation.settings
    if parting.hung_up_at is not None:
        if now - parting.hung_up_at > TIME_TO_DIE:
            child.end(endings.hung_up_on(""))
        return []
    if parting.leaving is not None and now - parting.leaving.at > settings.grace:
        child.end(parting.leaving.why)  # what is in it ends with it
        return []
    for one, stop in _due(child, settings, now):
        child.tell_to_stop(one, stop)
    for one, stop in child.work.stopping:
        match _rung(child, one, stop, now):
            case Rung.INTERRUPT:
                stop.interrupted_at = stop.interrupted_at or now
                child.process.interrupt((one.id, one.attempt.attempt))
            case Rung.RETIRE if not parting.is_draining:
                endings.AttemptGoesOn(*of_attempt(one.attempt), child.pid, stop.why.value).tell()
                child.drain()
            case Rung.KILL if parting.leaving is None:  # else it may have something to leave behind, and has its time
                return _end_with(child, one, now)
    return _end_stuck(child, now) if _is_stuck(child, settings, now) else []


def cancel(child: Child, tasks: Collection[int], now: float) -> None:
    """Somebody has cancelled these tasks; those whose loop another one blocks hear of it when it is free."""
    for task in child.work.running.keys() & set(tasks):
        one = child.work.running[task]
        if one.stop is None and _grip_of(child, one, now) is not Grip.WAITS:
            child.tell_to_stop(one, Stop(Why.CANCEL, now, now - one.begun))


def extend(child: Child, blocker: int, seconds: float) -> None:
    """The loop was blocked by `blocker` for `seconds`: those that could not go on meanwhile get that time back."""
    for one in child.work.running.values():
        if one.deadline is not None and one.id != blocker:
            one.deadline += seconds


def _due(child: Child, settings: Settings, now: float) -> list[tuple[Running, Stop]]:
    """What has to stop from now on. An attempt that cannot hear it, since another blocks the loop, may go on."""
    over = [one for one in child.work.running.values() if _is_over(one, now)]
    due = [
        (one, Stop(Why.TIMEOUT, now, now - one.begun)) for one in over if _grip_of(child, one, now) is not Grip.WAITS
    ]
    blocker = child.work.running.get(child.stall.task_id) if child.stall else None
    if child.stall is None or blocker is None or _may_block(child, blocker):
        return due
    seconds = now - child.stall.since
    if seconds >= settings.stall_limit and blocker.stop is None:
        due.append((blocker, Stop(Why.STALL, now, seconds)))
    return due


def _grip_of(child: Child, one: Running, now: float) -> Grip:
    """What an attempt that shall stop does to its process, as far as can be seen from here."""
    lane = one.attempt.lane
    if child.stall is not None and lane is Lane.LOOP:
        return Grip.BLOCKS if child.stall.task_id == one.id else Grip.WAITS
    if child.is_silent(now):
        return Grip.SILENT
    return Grip.LOOP if lane is Lane.LOOP else Grip.THREAD


def _is_over(one: Running, now: float) -> bool:
    return one.stop is None and one.deadline is not None and one.deadline <= now


def _may_block(child: Child, blocker: Running) -> bool:
    """Whether it is its own affair: it has a timeout of its own, or a process."""
    return blocker.attempt.timeout is not None or _has_all_for_itself(child)


def _rung(child: Child, one: Running, stop: Stop, now: float) -> Rung:
    settings = child.generation.settings
    others = any(each.stop is None for each in child.work.running.values())
    seen = Sight(_grip_of(child, one, now), now - stop.at, now - (stop.interrupted_at or now), others)
    return next_rung(seen, settings.stall_after + TIME_TO_BELIEVE, settings.grace)


def _has_all_for_itself(child: Child) -> bool:
    return child.role is Role.ALONE and len(child.work.running) == 1


def _is_stuck(child: Child, settings: Settings, now: float) -> bool:
    """Whether it has done nothing for too long, and nobody can tell which attempt it is."""
    work, stall = child.work, child.stall
    if not work.running or work.stopping or _has_all_for_itself(child):
        return False
    silent_since = child.heard_at if child.is_silent(now) else now
    blocked_since = stall.since if stall and stall.task_id not in work.running else now
    return now - min(silent_since, blocked_since) >= settings.stall_limit


def _end_with(child: Child, one: Running, now: float) -> Ended:
    """End the process of an attempt that did not listen. While it was silent, any attempt in it may be to blame."""
    stopping = child.work.stopping
    if _grip_of(child, one, now) is Grip.SILENT and len(child.work.running) > 1:
        return _end_stuck(child, now, [(each, stop) for each, stop in stopping if stop.why is Why.CANCEL])
    why = endings.beside_stopped(one.id, child.pid)
    return _ended(child, stopping, Cut(why), why, now)


def _end_stuck(child: Child, now: float, cancelled: Collection[tuple[Running, Stop]] = ()) -> Ended:
    silent = now - min(child.heard_at, child.stall.since if child.stall else now)
    stopped = is_stopped(child.pid)
    stuck = Stuck(child.pid, silent, len(child.work.running) - len(cancelled), stopped)
    return _ended(child, cancelled, stuck, endings.silent(silent, stopped=stopped), now)


def _ended(child: Child, stopped: Collection[tuple[Running, Stop]], others: Happening, why: str, now: float) -> Ended:
    """End the process: those that were told to stop have stopped by that, and this happens to the others."""
    child.end(why)
    told: dict[int, Happening] = {one.id: stop.heeded(child.pid) for one, stop in stopped}
    happenings = {task: told.get(task, others) for task in child.work.running}
    child.parting.fates = {task: fate_of(happening) for task, happening in happenings.items()}
    return [(one.attempt, happenings[one.id]) for one in child.give_up(happenings, now)]
