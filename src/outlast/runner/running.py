"""The attempts that a task process has, and what is known of each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from outlast.runner.untold import Untold
from outlast.tasks.outcome import Stopped, Why
from outlast.tasks.task import Claimed, Lane
from outlast.watch.flights import InFlight


@dataclass(slots=True)
class Stop:
    """That an attempt was told to stop, when (monotonic), and how long it had run or blocked by then (s).

    because: why its process has to leave, if that is it. interrupted_at: when that was first tried by force.
    """

    why: Why
    at: float
    seconds: float
    because: str = ""
    interrupted_at: float | None = None

    def heeded(self, pid: int = 0, traceback: str = "") -> Stopped:
        """What became of it: the attempt has ended, `pid` if its process had to be ended for that."""
        return Stopped(self.why, self.seconds, pid, traceback, self.because)


@dataclass(slots=True)
class Running:
    """An attempt that was handed over, when, and by when it has to have ended (monotonic)."""

    attempt: Claimed
    begun: float
    deadline: float | None = None
    stop: Stop | None = None

    @property
    def id(self) -> int:
        """That of its task."""
        return self.attempt.id


class Work:
    """What was handed over to a process and is not settled: each of them is a suspect if it dies.

    untold: what has failed there. idle_since: since when there is nothing (monotonic).
    """

    def __init__(self) -> None:
        self.running: dict[int, Running] = {}
        self.untold = Untold()
        self.idle_since = time.monotonic()
        self._taken: Counter[Lane] = Counter()

    @property
    def attempts(self) -> list[Claimed]:
        """All of them."""
        return [one.attempt for one in self.running.values()]

    @property
    def stopping(self) -> list[tuple[Running, Stop]]:
        """Those that were told to stop."""
        return [(one, one.stop) for one in self.running.values() if one.stop is not None]

    @property
    def has_to_be_watched(self) -> bool:
        """Whether one has to stop, or may have to soon."""
        return any(one.deadline is not None or one.stop is not None for one in self.running.values())

    @property
    def in_flight(self) -> tuple[InFlight, ...]:
        """The same for a verdict."""
        return tuple(InFlight(one.attempt.function, one.id, "", one.begun) for one in self.running.values())

    def count(self, lane: Lane) -> int:
        """How many are of a lane."""
        return self._taken[lane]

    def begin(self, claims: Iterable[Claimed], now: float) -> None:
        """These were handed over."""
        for one in claims:
            deadline = None if one.timeout is None else now + one.timeout
            self.running[one.id] = Running(one, now, deadline)
            self._taken[one.lane] += 1

    def give_up(self, ids: Iterable[int], now: float) -> list[Running]:
        """Take attempts off the list: ended, or handed back."""
        gone = [self.running.pop(task) for task in ids if task in self.running]
        self._taken.subtract(one.attempt.lane for one in gone)
        self.idle_since = self.idle_since if self.running else now
        return gone
