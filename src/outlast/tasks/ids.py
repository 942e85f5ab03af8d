"""Makes the ids of tasks."""

from __future__ import annotations

import threading
import time
from random import Random

from outlast.system.forks import OfOneProcess
from outlast.system.process import this


class TaskIds(OfOneProcess):
    """Makes task ids: 41 bits of milliseconds since 2026 (enough until 2095), then who made it, then a count.

    A process that the journal knows has 11 bits of its row's number and counts in the other 10, so that two of them
    never make the same id; more than 1023 ids in one millisecond are taken from the next. One that is not known yet
    has a 1 and 21 random bits instead, until its first transaction: if two such meet in one millisecond on one number,
    the journal refuses the second task, it never overwrites the first. Ids of one process rise strictly, also when
    the clock is set back.
    """

    LOW_BITS = 22
    COUNT_BITS = 10
    KNOWN = 1 << 11  # processes whose numbers differ
    _UNKNOWN = 1 << 21
    BEGINNING = 1_767_225_600.0  # 2026-01-01 UTC, in seconds since the epoch
    _ENDING = 2_199_023_255.0  # seconds after that, beyond which there are no ids

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._member: int | None = None
        # its own, so that no user seeds it; to ask the system each time lets go of the GIL (measured)
        self._random = Random()  # noqa: S311
        this.forks.tell(self)

    def after_fork_in_child(self) -> None:
        """A forked process is another one, which nobody knows yet."""
        self._member = None
        self._random.seed()

    def belong_to(self, process_id: int) -> None:
        """From now on this process is known by its row in the journal."""
        self._member = process_id % self.KNOWN

    def next(self, now: float | None = None) -> int:
        """A new id, a positive integer below 2**63. `now` is in seconds since the epoch."""
        clock = int(((time.time() if now is None else now) - self.BEGINNING) * 1000)
        with self._lock:
            fresh = self._first_in(max(0, clock))
            if fresh <= self._last:
                fresh = self._last + 1 if self._can_count_on() else self._first_in((self._last >> self.LOW_BITS) + 1)
            self._last = fresh
            return fresh

    def _first_in(self, millisecond: int) -> int:
        """The first id that this process may make in a millisecond; any of them as long as nobody knows it."""
        if self._member is None:
            low = self._UNKNOWN | self._random.getrandbits(self.LOW_BITS - 1)
        else:
            low = self._member << self.COUNT_BITS | 1  # so that none is 0
        return millisecond << self.LOW_BITS | low

    def _can_count_on(self) -> bool:
        """Whether the last id is of this process, which has not used up its millisecond."""
        low = self._last & (1 << self.LOW_BITS) - 1
        return low >> self.COUNT_BITS == self._member and (low + 1) % (1 << self.COUNT_BITS) > 0

    def rise_above(self, newest: int) -> None:
        """Let all ids from now on be larger than `newest`, which another process made.

        Its clock may have been ahead, but one that was wrong by more than a day is not followed. What this process
        adds before it has read the journal for the first time may be older by its id.
        """
        tomorrow = int((time.time() + 86_400 - self.BEGINNING) * 1000)
        with self._lock:
            if newest >> self.LOW_BITS <= tomorrow:
                self._last = max(self._last, newest)

    @classmethod
    def first_at(cls, moment: float) -> int:
        """The least id that can have been made at `moment` (seconds since the epoch) or later."""
        return int(min(max(0.0, moment - cls.BEGINNING), cls._ENDING) * 1000) << cls.LOW_BITS

    @classmethod
    def made_at(cls, task_id: int) -> float:
        """When an id was made, in seconds since the epoch, by the clock of its process."""
        return cls.BEGINNING + (task_id >> cls.LOW_BITS) / 1000
