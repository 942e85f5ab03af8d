"""`@outlast.every(...)`: which functions of an app run by themselves, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar, Unpack

from outlast.errors import OptionError
from outlast.events.schedules import NEVER_DECLARED, ScheduleRefused
from outlast.system.process import this
from outlast.tasks.callbacks import place_of
from outlast.tasks.keys import MOST_KEY, is_key
from outlast.tasks.policy import NothingMore, refuse_more
from outlast.tasks.schedules import Missed
from outlast.tasks.timing import Timing, timing
from outlast.text import MOST_NAME, as_text, one_line

F = TypeVar("F", bound=Callable[..., Any])
MissedName = Literal["once", "all", "none"]


@dataclass(frozen=True, slots=True)
class Every:
    """When a schedule ticks, and what becomes of ticks that were missed. Made by `outlast.every`."""

    timing: Timing
    missed: Missed
    name: str = ""

    def __call__(self, function: F) -> F:
        """As a decorator: each tick runs `function`, which needs no arguments, as a task. Returns `function`.

        Raises OptionError for what cannot be called, and for a second schedule of one name.
        """
        called = one_line(getattr(function, "__qualname__", repr(function)), MOST_NAME)
        if not callable(function):
            raise OptionError(f"every(...) decorates a function, and {called} is none")
        same = [
            one for one in this.apps.schedules if one[1].name == self.name and place_of(one[0]) == place_of(function)
        ]
        if any(one is function for one, _ in same):
            raise OptionError(f"{called} has two schedules of one name: give one every(..., name=)")
        this.apps.schedules = [one for one in this.apps.schedules if one not in same]
        this.apps.schedules.append((function, self))
        if this.apps.scheduling is not None:
            ScheduleRefused(self.name or called, NEVER_DECLARED).tell()
        return function


def every(
    cron: str | None = None,
    /,
    *,
    seconds: float | timedelta | None = None,
    tz: str | None = None,
    missed: MissedName = "once",
    name: str = "",
    **more: Unpack[NothingMore],
) -> Every:
    """A function that runs by itself, such as `@outlast.every("0 6 * * mon-fri", tz="Europe/Berlin")`.

    Say it where the app's module is imported. Each tick makes a task with the options of the function's `outlast.task`,
    one, however many web workers there are. Also what `outlast.schedule` takes.

    cron: minute, hour, day of the month, month, day of the week; of six fields the first is the second.
    seconds: or else so many (or a timedelta) between two ticks, at least 1; ticks are at whole multiples since 1970.
    tz: zone of the cron text, such as "Europe/Berlin". Default: UTC.
    missed: of ticks in whose time no server ran, `once` runs one for all, `all` each of the newest 1000, `none` none
        that is more than a minute late.
    name: by which `outlast schedule` knows it. Default: the function's `module:name`.

    Raises OptionError.
    """
    refuse_more("every", more, "cron text in front, or seconds=, such as timedelta(minutes=5); tz, missed, name")
    if missed not in tuple(Missed):
        raise OptionError(f"'missed' is {missed!r:.100}, but it has to be one of {', '.join(Missed)}")
    return Every(timing(cron, seconds, tz), Missed(missed), checked_name(name) if name != "" else "")


def checked_name(name: str) -> str:
    """Raises OptionError for what cannot be the name of a schedule."""
    if not is_key(name):
        raise OptionError(
            f"the name of a schedule is {name!r:.100}, but it has to be text of 1 to {MOST_KEY} printable characters"
        )
    return as_text(name)
