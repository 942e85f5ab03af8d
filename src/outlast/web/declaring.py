"""The schedules that stand in the code of this process, as the journal is told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from outlast.errors import NotStorable
from outlast.events import schedules as events
from outlast.functions.functions import Functions
from outlast.functions.names import shown
from outlast.journal.schedules import Declared
from outlast.system.process import this
from outlast.tasks.every import Every
from outlast.tasks.schedules import Blueprint, Schedule, SequelBlueprint
from outlast.text import MOST_REASON, one_line
from outlast.web.background import StandIn
from outlast.web.plan import Describe, Plan, plan


class Declaring:
    """Of one app: all that this process has, if no other one has been asked before, so that none is there twice."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def __call__(self) -> Declared:
        """Those that can run; of others it is said. May read files."""
        this.apps.scheduling = this.apps.scheduling or self
        return Declared(list(self._found().values()) if this.apps.scheduling is self else ())

    def rest(self) -> None:
        """Its server has stopped: another app of this process may be the one now."""
        this.apps.scheduling = None if this.apps.scheduling is self else this.apps.scheduling

    def _found(self) -> dict[str, Schedule]:
        found: dict[str, Schedule] = {}
        for schedule in _declared(self._functions):
            if schedule.name in found:
                events.ScheduleRefused(schedule.name, events.named_twice(schedule.name)).tell()
            found.setdefault(schedule.name, schedule)
        return found


def _declared(functions: Functions) -> Iterator[Schedule]:
    for function, every in this.apps.schedules:
        if why := why_not(function, every, functions.describe):
            events.ScheduleRefused(every.name or shown(function), why).tell()
        else:
            yield schedule_of(every.name, every, StandIn(function), functions.describe)


def why_not(function: Callable[..., Any], every: Every, describe: Describe) -> str:
    """Why a decorated function never runs by itself; empty if it does."""
    try:
        schedule_of(every.name, every, StandIn(function), describe)
    except Exception as error:  # noqa: BLE001 - an object of the user's, which may raise anything when it is looked at
        return one_line(str(error), MOST_REASON) or type(error).__name__
    return ""


def schedule_of(name: str, every: Every, call: StandIn, describe: Describe) -> Schedule:
    """A schedule whose ticks make this call; without a name it has that of its function. Raises NotStorable."""
    planned = plan(call, describe)
    if planned.arguments is None:
        raise NotStorable(events.not_in_task_process(planned.reason))
    return Schedule(name or planned.function, every.timing, every.missed, _blueprint(planned))


def _blueprint(planned: Plan) -> Blueprint:
    if planned.stashed:
        raise NotStorable(events.STASHED)
    after = (SequelBlueprint(_blueprint(one.plan), one.gets, one.parameters) for one in planned.sequels)
    what = (planned.function, planned.arguments or "", planned.lane, planned.options, planned.code)
    return Blueprint(*what, tuple(after))
