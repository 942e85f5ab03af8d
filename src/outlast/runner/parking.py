"""Tasks that the code does not know: who hears of them, and which code is asked whether it knows them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from outlast.events import waits
from outlast.journal.contract import Journal, Parked
from outlast.runner.pool import Pool
from outlast.runner.pools import Pools

PATIENCE = 5.0  # seconds in which more of a function may be parked before the first are told of


@dataclass(frozen=True, slots=True)
class Watched:
    """The parked tasks of one function: how many there were at the last look, and what was said of how many.

    since: when there was last nothing to say (monotonic).
    """

    count: int = 0
    since: float = 0.0
    said: int = 0
    reason: str = ""

    def is_news(self, group: Parked) -> bool:
        """Whether there is more to be said than has been."""
        return group.count >= 2 * max(1, self.said) or group.reason != self.reason

    def is_ripe(self, group: Parked, now: float) -> bool:
        """Whether no more have come since the last look, or it goes on for too long."""
        return group.count == self.count or now - self.since >= PATIENCE


class Parking:
    """Looks when something was parked, and when other code may have come."""

    def __init__(self, journal: Journal, pools: Pools) -> None:
        self._journal = journal
        self._pools = pools
        self._watched: dict[str, Watched] = {}
        self._asked: set[int] = set()
        self._is_stirred = True

    def stir(self) -> None:
        """A task was parked, or a server has said hello, whose code may be other."""
        self._is_stirred = True
        self._asked.clear()

    def look(self, now: float) -> None:
        """Outside of a transaction; raises StoreFailed or JournalUnusable."""
        ready = [
            (pool, child)
            for pool in self._pools.all
            for child in pool.crew.children
            if child.start.ready_at and child.stays
        ]
        unasked = [(pool, child) for pool, child in ready if child.id not in self._asked]
        if not self._is_stirred and not unasked:
            return
        groups = self._journal.tasks.parked()
        for pool, child in unasked:
            child.inquiry.ask(child.process.channel, self._concerned(pool, groups), time.time())
        self._asked = {child.id for _, child in ready}
        largest = of_functions(groups)
        self._watched = {name: self._said(self._watched.get(name), one, now) for name, one in largest.items()}
        self._is_stirred = any(self._watched[name].is_news(one) for name, one in largest.items())

    def _concerned(self, pool: Pool, groups: Iterable[Parked]) -> list[Parked]:
        """Those groups of its app that a pool may run: its own, and those that would be its own if it knows them."""
        found = []
        for group in groups:
            home = group.example.home
            if (runs := self._pools.of(home)) and pool.deployment.is_app(home.app):
                found.append(group if runs is pool else replace(group, home=pool.deployment.home))
        return found

    def _said(self, before: Watched | None, group: Parked, now: float) -> Watched:
        watched = before or Watched(since=now)
        if not watched.is_news(group):
            return replace(watched, count=group.count, since=now)
        if not watched.is_ripe(group, now):
            return replace(watched, count=group.count)
        waits.TasksParked(group.example.function, group.count, group.reason).tell()
        return Watched(group.count, now, group.count, group.reason)


def of_functions(groups: Iterable[Parked]) -> dict[str, Parked]:
    """One group for each function: the count of all, and the example and reason of the largest, which come first."""
    found: dict[str, Parked] = {}
    for group in groups:
        first = found.get(group.example.function)
        found[group.example.function] = replace(first, count=first.count + group.count) if first else group
    return found
