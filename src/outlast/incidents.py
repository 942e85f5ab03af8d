"""What happened to a process: its event loop was blocked, or it died. One record, for log, journal and command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from outlast.text import MOST_NAME, MOST_REASON, MOST_TRACEBACK, clean, one_line

WEB_WORKER, TASK_PROCESS = "web worker", "task process"  # what `Incident.process` is, beside `runner`


class Kind(StrEnum):
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


@dataclass(frozen=True, slots=True)
class Incident:
    """One stall or death, with its verdict.

    process: `web worker` or `task process`, which had `pid`. at: when it was over, seconds since the epoch. seconds:
    how long the loop was blocked; 0 where that does not matter. culprit: such as `send_report (report.py:88)`, empty
    where nobody is named; stalls of one culprit are counted together. times: how many this record stands for.
    stack: as Python prints it, outermost first; empty where there is none. flights: what was in the process.
    """

    kind: Kind
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
        return cls(
            kind=Kind(given["kind"]),
            cause=Cause(given["cause"]),
            process=one_line(given["process"], MOST_NAME),
            pid=int(given["pid"]),
            at=float(given["at"]),
            seconds=float(given["seconds"]),
            culprit=one_line(given["culprit"], MOST_NAME),
            sentence=one_line(given["sentence"], MOST_REASON),
            stack=clean(given["stack"], MOST_TRACEBACK),
            flights=tuple(
                Flight(one_line(one["name"], MOST_NAME), float(one["seconds"]), int(one["task"]), str(one["lane"]))
                for one in given["flights"]
            ),
        )
