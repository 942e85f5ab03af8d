"""Attempts that are claimed and in no process: those whose turn it is, and those behind others.

A task that follows another one is claimed together with it, so that it can begin as soon as that has ended for good,
and not a transaction and an fsync later. It is given to no process before: whatever happens to a process happens to
what has begun there, and what waits here can be given back to the journal at any time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection

from outlast.runner.children import Child
from outlast.tasks.task import Claimed, Lane

LANES = (Lane.LOOP, Lane.THREAD)
MOMENT = 0.1  # seconds
MOST_BEHIND = 512  # attempts behind others, all together


class Queue:
    """Whoever is taken out of it is the taker's to hand over or to settle."""

    def __init__(self) -> None:
        self.ready: list[Claimed] = []
        self._behind: dict[int, list[Claimed]] = {}
        self._moved_at = 0.0

    @property
    def all(self) -> list[Claimed]:
        """Everyone."""
        return [*self.ready, *self._all_behind]

    @property
    def _all_behind(self) -> list[Claimed]:
        return [one for line in self._behind.values() for one in line]

    def is_moving(self, now: float) -> bool:
        """Whether it may be somebody's turn any moment, as somebody's was a moment ago."""
        return bool(self._behind) and now - self._moved_at < MOMENT

    @property
    def room(self) -> int:
        """How many more may be claimed behind others."""
        return max(0, MOST_BEHIND - len(self._all_behind))

    @property
    def lanes(self) -> Counter[Lane]:
        """How many of those whose turn it is run in which lane."""
        return Counter(one.lane for one in self.ready)

    def line_up(self, claims: Collection[Claimed]) -> list[Claimed]:
        """Take the attempts of one claim; returns those that follow none of them, so that nobody knows their turn."""
        known = {one.id for one in claims}
        self.ready += [one for one in claims if one.begun]
        for one in claims:
            if not one.begun and one.follows in known:
                self._put_behind(one.follows, one)
                self._moved_at = time.monotonic()
        return [one for one in claims if not one.begun and one.follows not in known]

    def move_up(self, ended: int) -> None:
        """It is the turn of what follows a task that has ended for good."""
        if next_ones := self._behind.pop(ended, None):
            self.ready += [one._replace(follows=None) for one in next_ones]
            self._moved_at = time.monotonic()

    def take_all_behind(self, task_id: int) -> list[Claimed]:
        """Whatever waits for a task, directly or not, in order."""
        taken = self._behind.pop(task_id, [])
        return taken + [one for before in taken for one in self.take_all_behind(before.id)]

    def take_behind(self, is_meant: Callable[[Claimed], bool] = lambda _: True) -> list[Claimed]:
        """Those behind others that are meant, and whatever waits for these."""
        taken = [one for one in self._all_behind if is_meant(one)]
        for one in taken:
            self._remove(one)
        return taken + [one for before in taken for one in self.take_all_behind(before.id)]

    def take_for(self, children: Collection[Child]) -> dict[Child, list[Claimed]]:
        """Share those out whose turn it is, each to the child that has most room for it; without room they stay."""
        room = {child: Counter({lane: child.free(lane) for lane in LANES}) for child in children}
        shares: dict[Child, list[Claimed]] = {}
        for attempt in self.take_ready() if room else ():
            chosen = max(children, key=lambda child: room[child][attempt.lane])
            if room[chosen][attempt.lane] > 0:
                room[chosen][attempt.lane] -= 1
                shares.setdefault(chosen, []).append(attempt)
            else:
                self.ready.append(attempt)
        return shares

    def take_ready(self) -> list[Claimed]:
        """Those whose turn it is."""
        taken, self.ready = self.ready, []
        return taken

    def take_out(self, tasks: Collection[int]) -> list[Claimed]:
        """These alone: who is behind one that is behind another is behind that one then."""
        if not tasks:
            return []
        taken = [one for one in self.ready if one.id in tasks]
        self.ready = [one for one in self.ready if one.id not in tasks]
        while one := next((one for one in self._all_behind if one.id in tasks), None):
            self._remove(one)
            for behind in self._behind.pop(one.id, ()):
                self._put_behind(one.follows, behind._replace(follows=one.follows))
            taken.append(one)
        return taken

    def _put_behind(self, task: int | None, attempt: Claimed) -> None:
        self._behind.setdefault(task or 0, []).append(attempt)

    def _remove(self, attempt: Claimed) -> None:
        line = self._behind[attempt.follows or 0]
        line.remove(attempt)
        if not line:
            del self._behind[attempt.follows or 0]
