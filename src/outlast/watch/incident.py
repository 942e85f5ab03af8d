"""What happened to a process: its event loop was blocked, or it died. One record, for log, journal and command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar

from outlast.ids import shown
from outlast.text import MOST_NAME, MOST_REASON, MOST_TRACEBACK, clean, one_line

T = TypeVar("T")
Reader = Callable[[Any], object]


class IncidentKind(StrEnum):
    """What an incident did to its process."""

    STALL = "stall"  # its event loop stood still for a while
    DEATH = "death"  # it ended without a good-bye


class Cause(StrEnum):
    """Why it happened, as far as there is evidence. The journal stores these words: never rename one."""

    BLOCKED = "blocked"  # a call that does not return blocked the event loop
    HELD = "held"  # code in C held the interpreter's lock, so that no thread ran
    SATURATED = "saturated"  # the loop had more to do than it could, and nobody alone is to blame
    STARVED = "starved"  # the machine had no processor for it
    FROZEN = "frozen"  # the whole process stood still: stopped, or asleep with the interpreter's lock
    TIMEOUT = "timeout"  # its server ended it for being silent too long
    DRAIN = "drain"  # its server ended it since its stop took too long
    MEMORY = "memory"  # the kernel ended it for want of memory
    CRASH = "crash"  # a segmentation fault, an abort: its own code broke it
    SIGNAL = "signal"  # somebody outside sent a signal
    STOPPED = "stopped"  # outlast ended it, since a task in it did not stop when it was told
    EXIT = "exit"  # it left by itself without a good-bye
    START = "start"  # it ended before it was ready
    UNKNOWN = "unknown"  # nothing tells


@dataclass(frozen=True, slots=True)
class Flight:
    """A request or a task that was in the process. `name` is such as `GET /orders` or `main:send_invoice`.

    task: its id, 0 for a request. seconds: how long it had been there by then. lane: of a task, else empty.
    """

    name: str
    seconds: float
    task: int = 0
    lane: str = ""

    def __str__(self) -> str:
        return f"task {shown(self.task)} {self.name}" if self.task else self.name


@dataclass(frozen=True, slots=True)
class Incident:
    """One stall or death, with its verdict.

    process: `web worker` or `task process`, which had `pid`. at: when it was over, seconds since the epoch. seconds:
    how long the loop was blocked; 0 where that does not matter. culprit: such as `send_report (report.py:88)`, empty
    where nobody is named; stalls of one culprit are counted together. times: how many this record stands for.
    stack: as Python prints it, outermost first; empty where there is none. flights: what was in the process.
    """

    kind: IncidentKind
    cause: Cause
    process: str
    pid: int
    at: float
    seconds: float
    culprit: str
    sentence: str
    stack: str = ""
    flights: tuple[Flight, ...] = ()
    times: int = 1

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Incident:
        """From another process, as `asdict` makes it. Raises KeyError, TypeError or ValueError for anything else."""
        return made(
            cls,
            given,
            kind=IncidentKind,
            cause=Cause,
            sentence=lambda sentence: one_line(sentence, MOST_REASON),
            stack=lambda stack: clean(stack, MOST_TRACEBACK),
            flights=lambda flights: tuple(made(Flight, one) for one in flights),
            times=lambda _: 1,
        )


def made(kind: type[T], given: Mapping[str, Any], /, **special: Reader) -> T:
    """A record of that kind out of JSON, each field read by its type, unless `special` says how."""
    readers = {one.name: special.get(one.name) or _READERS[str(one.type)] for one in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: read(given[name]) for name, read in readers.items()})


def short(text: object) -> str:
    """Text in one line, as long as a name may be."""
    return one_line(text, MOST_NAME)


def whole(number: object) -> int:
    """One that the journal can store. Raises ValueError."""
    if not isinstance(number, int) or not 0 <= number < 1 << 63:
        raise ValueError(f"{number!r:.40} is no such number")
    return number


_READERS: Mapping[str, Reader] = {"str": short, "int": whole, "float": float, "bool": bool}
