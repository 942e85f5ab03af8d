"""The one sentence for each thing that happens to a schedule."""

from __future__ import annotations

from collections.abc import Iterable
from logging import WARNING

from outlast.events.event import Event
from outlast.text import MOST_NAME, MOST_REASON, one_line

NEVER_DECLARED = "its code was imported when the server had started: import it where the app's module is"
STASHED = (
    "a stashed file is kept until its task has ended, and of a schedule no task is the last: keep the file yourself, "
    "and pass its path"
)


class ScheduleRetired(Event):
    schedule: str
    app: str
    release: str
    sentence = "schedule {schedule} is retired: the newest code of {app} does not have it (release {release})"


class ScheduleHalted(Event, level=WARNING):
    """It is paused, since nothing could come of its next tick."""

    schedule: str
    why: str

    def __str__(self) -> str:
        name, why = one_line(self.schedule, MOST_NAME), one_line(self.why, MOST_REASON)
        return f"schedule {name} is paused: {why}. When that is mended, `outlast schedule resume` lets it go on"


class ScheduleHeldUp(Event, level=WARNING):
    """Its ticks make no tasks meanwhile; that it is parked, and what helps, is said of the task."""

    schedule: str
    task_id: str
    why: str

    def __str__(self) -> str:
        name, why = one_line(self.schedule, MOST_NAME), one_line(self.why, MOST_REASON)
        return f"ticks of schedule {name} make no more tasks while the last one, {self.task_id}, is parked: {why}"


class ScheduleRefused(Event, level=WARNING):
    """One of the code's cannot run at all."""

    schedule: str
    why: str

    def __str__(self) -> str:
        return f"schedule {one_line(self.schedule, MOST_NAME)} never runs: {one_line(self.why, MOST_REASON)}"


class TicksMissed(Event, level=WARNING):
    schedule: str
    seconds: float
    runs: int

    def __str__(self) -> str:
        what = {0: "which is not made up for", 1: "it runs now"}.get(self.runs, f"{self.runs} of its ticks run now")
        return f"schedule {self.schedule} has missed ticks, the first {self.seconds:.0f} s ago: {what}"


def origin(name: str, *, by_hand: bool = False) -> str:
    """Who has asked for a task of a schedule."""
    return f"schedule {name}{', by hand' if by_hand else ''}"


def not_known(name: str, journal: object) -> str:
    """Nobody has a schedule of that name."""
    return f"no schedule {name!r} in {journal}: `outlast schedule list` has them all"


def of_several(name: str, apps: Iterable[str]) -> str:
    """More than one app has a schedule of that name."""
    return f"several apps have a schedule {name!r} ({', '.join(apps)}): say --app"


def changed(name: str, verb: str, *, is_done: bool, state: str) -> str:
    """What has become of what somebody wanted of a schedule: that it is `paused`, `resumed` or `run`."""
    if not is_done:
        return f"{name}  not {verb}: it is {state}"
    return f"{name}  {'runs as soon as a runner is there' if verb == 'run' else verb}"


def stands_in_code(name: str) -> str:
    """Why a schedule cannot be put at run time."""
    return f"the code has a schedule {name!r} itself (outlast.every): give this one another name"


def named_twice(name: str) -> str:
    """Why one of two does not run."""
    return f"another one of the code has that name ({name}): give one of them every(..., name=)"


def not_in_task_process(why: str) -> str:
    """A function that would run in a web worker: a schedule has none."""
    return (
        f"{why}. A schedule runs in a task process: change that, or say @outlast.task(travels=True) if it is no matter"
    )
