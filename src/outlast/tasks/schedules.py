"""A schedule: when it ticks, what each tick makes a task of, and which of the missed ticks still run. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from outlast.tasks.limits import Limits, with_key
from outlast.tasks.policy import FailurePolicy
from outlast.tasks.sequel import Gets
from outlast.tasks.task import NO_OPTIONS, Lane, NewTask, Sequel, State, TaskOptions
from outlast.tasks.timing import Timing

LATE = 60.0  # seconds after which a tick was missed, for those who want none of these
LONGEST_BREAK = 10 * 366 * 86_400.0  # seconds: older ticks are forgotten
NEVER = 1e11  # seconds since the epoch: the year 5138
MOST_MISSED = 1000  # ticks that run of those that were missed; of more, the newest


class Missed(StrEnum):
    """What becomes of ticks in whose time nothing ran."""

    ONCE = "once"  # one run for all of them
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done about ticks whose time has come.

    runs: those that make a task. next_at: the tick to come, None of one that has none. Seconds since the epoch.
    """

    runs: tuple[float, ...]
    next_at: float | None


def first(timing: Timing, now: float) -> Due:
    """Of a schedule that begins to tick."""
    return Due((), timing.after(now) or NEVER)


def due(timing: Timing, missed: Missed, oldest: float, now: float) -> Due:
    """`oldest` is the first tick that nothing was done about."""
    ticks = timing.newest(max(oldest, now - LONGEST_BREAK), now, MOST_MISSED if missed is Missed.ALL else 1)
    if missed is Missed.NONE:
        ticks = [tick for tick in ticks if now - tick <= LATE]
    return Due(tuple(ticks), timing.after(now) or NEVER)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What each task of a schedule is made of, see `NewTask`, and what runs after it."""

    function: str
    arguments: str
    lane: Lane
    options: TaskOptions = NO_OPTIONS
    code: str = ""
    sequels: tuple[SequelBlueprint, ...] = ()

    def task(self, next_id: Callable[[], int], now: float, origin: str) -> NewTask:
        """One that is ready `now`, under an id that is new."""
        number, what = next_id(), (self.function, self.arguments, self.lane)
        options = replace(self.options, limits=with_key(self.options.limits, self.arguments))
        task = NewTask(number, *what, State.WAITING, now, origin, None, options, self.code)
        after = (one.sequel(number, next_id, now, origin) for one in self.sequels)
        return task._replace(sequels=tuple(after)) if self.sequels else task

    def text(self) -> str:
        """As the journal has it."""
        return json.dumps(self.document(), separators=(",", ":"))

    def document(self) -> dict[str, Any]:
        """What `text` writes."""
        asked = {one.name: getattr(self.options, one.name) for one in fields(TaskOptions) if one.name != "sequels"}
        options = {name: value for name, value in asked.items() if value != getattr(NO_OPTIONS, name)}
        for name in options.keys() & _AS_TEXT:
            options[name] = options[name].text()
        after = [[one.blueprint.document(), str(one.gets), list(one.parameters)] for one in self.sequels]
        return {name: getattr(self, name) for name in _TEXTS} | {"options": options, "sequels": after}

    @classmethod
    def read(cls, text: str) -> Blueprint:
        """Raises ValueError for what `text` does not write."""
        try:
            return cls.of(json.loads(text))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not what a task is made of: {error!r}") from error

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Blueprint:
        """The same of a document. Raises ValueError or the like."""
        function, arguments, lane, code = (given[name] for name in _TEXTS)
        if not all(isinstance(one, str) for one in (function, arguments, lane, code)):
            raise ValueError("not what a task is made of: its texts are none")
        after = tuple(SequelBlueprint.of(*one) for one in given["sequels"])
        return cls(function, arguments, Lane(lane), _options(given["options"]), code, after)


@dataclass(frozen=True, slots=True)
class SequelBlueprint:
    """See `outlast.tasks.task.Sequel`."""

    blueprint: Blueprint
    gets: Gets
    parameters: tuple[str, ...]

    def sequel(self, before: int, next_id: Callable[[], int], now: float, origin: str) -> Sequel:
        """One that runs after that task."""
        return Sequel(self.blueprint.task(next_id, now, origin), (before,), self.gets, self.parameters)

    @classmethod
    def of(cls, blueprint: Mapping[str, Any], gets: str, parameters: Sequence[Any]) -> SequelBlueprint:
        """From a document. Raises ValueError or the like."""
        return cls(Blueprint.of(blueprint), Gets(gets), tuple(map(str, parameters)))


_TEXTS = ("function", "arguments", "lane", "code")
_AS_TEXT: Mapping[str, Callable[[str], Any]] = {"policy": FailurePolicy.read, "limits": Limits.read}


def _options(given: Mapping[str, Any]) -> TaskOptions:
    """Raises TypeError for an option that this version does not know, and ValueError for a text that is none of it."""
    if strange := [name for name, value in given.items() if not isinstance(value, str | int | float | None)]:
        raise TypeError(f"{strange[0]!r} has no plain value")
    read = {name: _AS_TEXT[name](value) if name in _AS_TEXT else value for name, value in given.items()}
    return TaskOptions(**read)


@dataclass(frozen=True, slots=True)
class Schedule:
    """name: one of its app has it. timing, missed: which ticks run. blueprint: what each makes a task of."""

    name: str
    timing: Timing
    missed: Missed
    blueprint: Blueprint

    def texts(self) -> tuple[str, str, str, str]:
        """As the journal has it, and as `read` takes it."""
        return self.name, self.timing.text(), str(self.missed), self.blueprint.text()

    @classmethod
    def read(cls, name: str, timing: str, missed: str, blueprint: str) -> Schedule:
        """Raises ValueError for what `texts` does not write."""
        return cls(name, Timing.read(timing), Missed(missed), Blueprint.read(blueprint))
