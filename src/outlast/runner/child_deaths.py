"""A child that has ended: how, and what that means for the attempts that were in it."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence

from outlast import events, hindrances
from outlast.blame import convicted
from outlast.outcome import Cut, Happening, WentDown
from outlast.runner.children import Child
from outlast.tasks import Claimed
from outlast.watch.box import State
from outlast.watch.remains import Remains


def how_it_ended(child: Child, remains: Remains, status: int, *, by_oom: bool) -> str:
    """In words; first what outlast itself knows of it."""
    if child.ended_because:
        return events.ended_by_outlast(child.ended_because)
    if child.last_words:
        return hindrances.ended_itself(child.last_words)
    if status == -signal.SIGKILL and remains.vitals.state is State.CUT_OFF:
        return events.ended_itself()
    is_ordinary = not status and (not child.attempts or child.leaving)
    return "left" if is_ordinary else events.how_it_ended(status, out_of_memory=by_oom)


def is_planned(child: Child, status: int) -> bool:
    """Whether it was told to leave and did, or was ended since its time was over: nothing to wonder about."""
    return child.leaving is not None and (status == 0 or bool(child.ended_because))


def why_ended(child: Child, status: int) -> str:
    """What outlast has ended it for, or it itself; empty where neither did."""
    return (child.ended_because if status == -signal.SIGKILL else "") or child.last_words


def verdicts(child: Child, attempts: Sequence[Claimed], how: str, status: int, crash: str) -> Mapping[int, Happening]:
    """What its death means for those that were in it, by task."""
    if child.leaving is not None and is_planned(child, status):
        return {one.id: Cut(child.leaving.why) for one in attempts}
    if not child.last_words:
        return convicted(attempts, child.pid, how, crash, child.generation.environment.roots)
    down = WentDown(hindrances.process_ended_itself(child.pid, child.last_words))  # uncharged, but not for ever
    return {one.id: down for one in attempts}
