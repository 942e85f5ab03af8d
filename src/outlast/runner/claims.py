"""What a runner claims next: as much as there is room for, from the lanes in which something may wait."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from outlast import endings
from outlast.deployments import Home
from outlast.engines.contract import CLAIM_BYTES, Journal
from outlast.runner.pool import Pool
from outlast.runner.pools import Pools
from outlast.runner.quarantine import Quarantine, Turn
from outlast.tasks import Claimed, Lane

LANES = (Lane.LOOP, Lane.THREAD, Lane.ALONE)
MOST_AT_ONCE = 512  # attempts claimed in one transaction (measured: more is not faster)
SEARCH_EVERY = 30.0  # seconds between looks for suspects that nobody told of: a hand may have put one there


@dataclass(slots=True)
class Taken:
    """Attempts to be handed over to a pool: those that share a process, and for each other process its own."""

    shared: list[tuple[Pool, list[Claimed]]] = field(default_factory=list)
    apart: list[tuple[Pool, list[Claimed]]] = field(default_factory=list)


class Claims:
    """Knows where something may wait, and who must not run beside whom. The verbs of the journal are its own."""

    def __init__(self, journal: Journal, pools: Pools) -> None:
        self._journal = journal
        self._pools = pools
        self._quarantine = Quarantine()
        self._waiting: set[tuple[Lane, Home]] = set()
        self._next_search = 0.0

    def expect(self) -> None:
        """Something may have come to wait in any lane, of those who are there."""
        self._waiting.update((lane, home) for home in self._pools.homes() for lane in LANES)

    def expect_again(self, attempt: Claimed) -> None:
        """The task of an attempt waits again. Before a suspect nobody else begins, also who was claimed already."""
        self._waiting.update((lane, attempt.home) for lane in LANES)
        self._quarantine.returned(attempt)
        self._clear_lines()

    def _clear_lines(self) -> None:
        if not self._quarantine.is_empty:
            self._pools.send_back(endings.SUSPECT_RUNS)

    def open_lanes(self, now: float) -> dict[Pool, set[Lane]]:
        """Those from which something may be claimed now, and in which something may wait, for each pool."""
        found: dict[Pool, set[Lane]] = {}
        for lane, _, pool in self._open(now):
            found.setdefault(pool, set()).add(lane)
        return found

    def _open(self, now: float) -> list[tuple[Lane, Home, Pool]]:
        """Whose tasks may be claimed from which lane, and who would run them."""
        pools = {home: self._pools.of(home) for _, home in self._waiting}
        served = sorted((lane, home) for lane, home in self._waiting if pools[home])
        lanes = LANES if self._quarantine.is_empty else self._lanes_in_turn(now)  # most often; thousands may be in hand
        return [(lane, home, pool) for lane, home in served if lane in lanes and (pool := pools[home])]

    def _lanes_in_turn(self, now: float) -> Collection[Lane]:
        turn = self._quarantine.turn(self._pools.in_hand, now)
        return {Turn.SUSPECT: (Lane.ALONE,), Turn.NOBODY: (), Turn.OTHERS: LANES}[turn]

    def have_room(self, now: float) -> bool:
        """Whether it is worth a look into the journal."""
        return any(pool.free(lane, now) for lane, _, pool in self._open(now))

    def look(self, now: float) -> None:
        """See what is due that nobody woke us for. Outside of a transaction; raises StoreFailed or JournalUnusable."""
        due = self._journal.due(time.time())
        self._waiting.update((lane, home) for lane, home in due if lane in LANES)
        if now >= self._next_search:
            homes = {home for lane, home in due if lane is Lane.ALONE and self._pools.of(home)}
            is_due = any(self._journal.has_suspect(time.time(), home) for home in homes)
            self._quarantine.may_be_due = self._quarantine.may_be_due or is_due
            self._next_search = now + SEARCH_EVERY
            self._clear_lines()

    def make_sure_of_alone(self) -> None:
        """No process is started for lane `alone` because a task may wait in it, only because one does. As `look`."""
        if doubtful := {one for one in self._waiting if one[0] is Lane.ALONE}:
            self._waiting -= doubtful - set(self._journal.due(time.time()))

    def take(self, me: int, now: float) -> Taken:
        """Claim for the runner `me`. In a transaction."""
        return Taken(self._shared(me, now), self._apart(me, now))

    def _shared(self, me: int, now: float) -> list[tuple[Pool, list[Claimed]]]:
        taken: dict[Pool, list[Claimed]] = {}
        for lane, home, pool in self._open(now):
            if lane is not Lane.ALONE:
                claims = taken.setdefault(pool, [])
                claims += self._claimed(me, lane, home, self._room(pool, lane, claims, now))
        return list(taken.items())

    def _room(self, pool: Pool, lane: Lane, claims: Collection[Claimed], now: float) -> tuple[int, int]:
        """How many of a lane can begin in a pool for which others are claimed, and how many can wait behind them."""
        taken = sum(one.begun and one.lane is lane for one in claims)
        behind = sum(not one.begun for one in claims)
        room_behind = pool.queue.room - behind if self._quarantine.is_empty else 0
        return min(pool.free(lane, now) - taken, MOST_AT_ONCE), max(0, room_behind)

    def _claimed(self, me: int, lane: Lane, home: Home, room: tuple[int, int]) -> list[Claimed]:
        most, behind = room
        claimed = self._journal.claim(me, lane, most, time.time(), behind, home) if most > 0 else []
        taken = [one for one in claimed if one.begun]
        if len(taken) < most and sum(one.size for one in taken) < CLAIM_BYTES:
            self._waiting.discard((lane, home))
        return claimed

    def _apart(self, me: int, now: float) -> list[tuple[Pool, list[Claimed]]]:
        """For each process that waits, what may be in it together."""
        companies: list[tuple[Pool, list[Claimed]]] = []
        alone = [(home, pool) for lane, home, pool in self._open(now) if lane is Lane.ALONE]
        if not self._quarantine.is_empty and self._quarantine.turn(self._pools.in_hand, now) is Turn.SUSPECT:
            return self._suspect(alone, me, now)
        for home, pool in alone:
            taken = sum(one is pool for one, _ in companies)
            for _ in range(pool.free(Lane.ALONE, now) - taken):
                company = self._journal.claim_company(me, time.time(), home=home)
                if not company:
                    self._waiting.discard((Lane.ALONE, home))
                    break
                companies.append((pool, company))
        return companies

    def _suspect(self, alone: Sequence[tuple[Home, Pool]], me: int, now: float) -> list[tuple[Pool, list[Claimed]]]:
        """One of those that are due, as soon as all of them could be run."""
        if not all(pool.free(Lane.ALONE, now) for _, pool in alone):
            return []
        for home, pool in alone:
            if company := self._journal.claim_company(me, time.time(), suspects=True, home=home):
                self._quarantine.took(company, now)
                return [(pool, company)]
        self._quarantine.took([], now)
        return []
