"""Schedules that code asks for at run time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec

from outlast.errors import OptionError
from outlast.events import schedules as events
from outlast.journal.schedules import Scheduled, Unscheduled
from outlast.tasks.every import Every, checked_name
from outlast.web.background import StandIn
from outlast.web.declaring import schedule_of
from outlast.web.journal import Journal

P = ParamSpec("P")


class Scheduling:
    """Of one app. In tests without a journal it is seen to that what is scheduled could be stored, and no more."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def put(
        self, name: str, when: Every, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Let `function` run by itself from now on, with these arguments, as a task with the options of its decorator.

        name: by it there is one; asked for again it is put in the place of what it was. when: `outlast.every(...)`.
        It takes no context variables along. Raises OptionError for a name that cannot be one, or that a schedule in the
        code has, and for a time that is none, NotStorable when the call cannot travel, StoreFailed or JournalUnusable.
        """
        call = StandIn(function, *args, **kwargs)
        await self._journal.look_into([call])
        wanted = self._wanted(name, when, call)
        if self._journal.records and not await self._journal.tell(wanted):
            raise OptionError(events.stands_in_code(name))

    def put_sync(
        self, name: str, when: Every, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """The same for code without an event loop. Blocks for one fsync."""
        wanted = self._wanted(name, when, StandIn(function, *args, **kwargs))
        if self._journal.records and not self._journal.tell_sync(wanted):
            raise OptionError(events.stands_in_code(name))

    async def remove(self, name: str) -> bool:
        """Let what `put` has scheduled not run any more; False if there is nothing of that name.

        What its ticks have asked for by now runs. Raises StoreFailed or JournalUnusable.
        """
        return await self._journal.tell(self._unwanted(name))

    def remove_sync(self, name: str) -> bool:
        """The same for code without an event loop. Blocks for one fsync."""
        return self._journal.tell_sync(self._unwanted(name))

    def _wanted(self, name: str, when: Every, call: StandIn) -> Scheduled:
        if not isinstance(when, Every):
            raise OptionError(f"{when!r:.100} is no time at which something runs: give outlast.every(...)")
        if when.name:
            raise OptionError("outlast.schedule(name, ...) says the name: every(..., name=) is for decorators")
        schedule = schedule_of(checked_name(name), when, call, self._journal.describe)
        return Scheduled(self._journal.app.ids.next(), schedule)

    def _unwanted(self, name: str) -> Unscheduled:
        return Unscheduled(self._journal.app.ids.next(), checked_name(name))
