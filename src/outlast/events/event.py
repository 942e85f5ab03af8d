"""An event: what has happened, as a record with a name, fields and one sentence, and the one way to log it."""

from __future__ import annotations

import logging
import re
from typing import ClassVar, dataclass_transform

from outlast.text import MOST_REASON, frames_of, one_line, printed

log = logging.getLogger("outlast")
NAME_BESIDE = "event_name"
"""The field with the name of an event in lines whose key `event` is something else."""


@dataclass_transform(frozen_default=True)
class Event:
    """Its subclasses are frozen records, as dataclasses are, which would take each process 0.4 ms a class to make.

    name: such as `runner_started`. level: at which it is logged, unless who logs it knows better.
    `sentence` names fields in braces; one that depends on more than that has a `__str__` of its own. That is what is to
    be known of an event: a docstring says only what is not in it.
    """

    name: ClassVar[str]
    level: ClassVar[int]
    fields: ClassVar[tuple[str, ...]] = ()
    sentence: ClassVar[str]

    def __init_subclass__(cls, level: int = logging.INFO) -> None:
        cls.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        cls.level = level
        cls.fields += tuple(cls.__annotations__)

    def __init__(self, *values: object, **named: object) -> None:
        vars(self).update(zip(self.fields, values, strict=False), **named)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an event is frozen: {name}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __str__(self) -> str:
        return self.sentence.format_map(vars(self))

    def tell(self, error: BaseException | None = None, *, level: int | None = None) -> None:
        """Log it. Handlers find its name and fields as attributes of the record, and `error` where there is one."""
        level = self.level if level is None else level
        if log.isEnabledFor(level):
            file, line, function, _ = log.findCaller(stacklevel=2)
            info = (type(error), error, frames_of(error)) if error is not None else None
            fields = {_name_key(): self.name} | {name: _plain(value) for name, value in vars(self).items()}
            record = log.makeRecord(log.name, level, file, line, str(self), (), info, function)
            record.__dict__ = fields | vars(record)  # what a record factory of the user's has set stays
            record.exc_text = printed(error) if error is not None else None
            log.handle(record)


class Told(Event):
    """What was put into a whole sentence elsewhere, such as the text of an exception."""

    what: str
    sentence = "{what}"


class Once:
    """Tells of what is the same again and again, the first time only. most: events that are remembered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._told: set[Event] = set()

    def tell(self, *events: Event) -> None:
        """Those that are new."""
        for event in events:
            if event not in self._told and len(self._told) < self._most:
                self._told.add(event)
                event.tell()


def _name_key() -> str:
    """The field with an event's name: for structlog `event` is the message, which a field called so would replace."""
    above: logging.Logger | None = log
    while above is not None:
        if any(_is_of_structlog(one.formatter) for one in above.handlers):
            return NAME_BESIDE
        above = above.parent if above.propagate else None
    return "event"


def _is_of_structlog(formatter: logging.Formatter | None) -> bool:
    return any(one.__module__.startswith("structlog.") for one in type(formatter).__mro__)


def _plain(value: object) -> object:
    """As JSON lines can have it: a number, counts by name, or text that is clean and short."""
    return value if isinstance(value, int | float | dict) else one_line(str(value), MOST_REASON)
