"""What a runner claims next: as much as there is room for, from the lanes in which something may wait."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from outlast import events
from outlast.engines.contract import CLAIM_BYTES, Journal
from outlast.runner.pool import Pool
from outlast.runner.quarantine import Quarantine, Turn
from outlast.tasks import Claimed, Lane

LANES = (Lane.LOOP, Lane.THREAD, Lane.ALONE)
MOST_AT_ONCE = 512  # attempts claimed in one transaction (measured: more is not faster)
SEARCH_EVERY = 30.0  # seconds between looks for suspects that nobody told of: a hand may have put one there


@dataclass(slots=True)
class Taken:
    """Attempts to be handed over: those that share a process with any others, and for each other process its own."""

    shared: list[Claimed] = field(default_factory=list)
    apart: list[list[Claimed]] = field(default_factory=list)


class Claims:
    """Knows where something may wait, and who must not run beside whom. The verbs of the journal are its own."""

    def __init__(self, journal: Journal, pool: Pool) -> None:
        self._journal = journal
        self._pool = pool
        self._quarantine = Quarantine()
        self._waiting: set[Lane] = set(LANES)
        self._next_search = 0.0

    def expect(self) -> None:
        """Something may have come to wait in any lane."""
        self._waiting.update(LANES)

    def expect_again(self, attempt: Claimed) -> None:
        """The task of an attempt waits again. Before a suspect nobody else begins, also who was claimed already."""
        self._quarantine.returned(attempt)
        self._clear_lines()

    def _clear_lines(self) -> None:
        if not self._quarantine.is_empty:
            self._pool.send_back(events.SUSPECT_RUNS)

    def open_lanes(self, now: float) -> set[Lane]:
        """Those from which something may be claimed now, and in which something may wait."""
        if self._quarantine.is_empty:  # most often; what is in hand may be thousands
            return self._waiting
        turn = self._quarantine.turn(self._pool.in_hand, now)
        return {Turn.SUSPECT: {Lane.ALONE}, Turn.NOBODY: set(), Turn.OTHERS: self._waiting}[turn]

    def have_room(self, now: float) -> bool:
        """Whether it is worth a look into the journal."""
        return any(self._pool.free(lane, now) for lane in self.open_lanes(now))

    def look(self, now: float) -> None:
        """See what is due that nobody woke us for. Outside of a transaction; raises StoreFailed or JournalUnusable."""
        self._waiting.update(lane for lane in self._journal.due(time.time()) if lane in LANES)
        if now >= self._next_search:
            self._quarantine.may_be_due = self._quarantine.may_be_due or self._journal.has_suspect(time.time())
            self._next_search = now + SEARCH_EVERY
            self._clear_lines()

    def make_sure_of_alone(self) -> None:
        """No process is started for lane `alone` because a task may wait in it, only because one does. As `look`."""
        if Lane.ALONE in self._waiting and Lane.ALONE not in self._journal.due(time.time()):
            self._waiting.discard(Lane.ALONE)

    def take(self, me: int, now: float) -> Taken:
        """Claim for the runner `me`. In a transaction."""
        return Taken(self._shared(me, now), self._apart(me, now))

    def _shared(self, me: int, now: float) -> list[Claimed]:
        claims: list[Claimed] = []
        room_behind = self._pool.queue.room if self._quarantine.is_empty else 0
        for lane in sorted(self.open_lanes(now) - {Lane.ALONE}):
            room = min(self._pool.free(lane, now), MOST_AT_ONCE)
            claimed = self._journal.claim(me, lane, room, time.time(), room_behind) if room else []
            taken = [one for one in claimed if one.begun]
            room_behind -= len(claimed) - len(taken)
            claims += claimed
            if len(taken) < room and sum(one.size for one in taken) < CLAIM_BYTES:
                self._waiting.discard(lane)
        return claims

    def _apart(self, me: int, now: float) -> list[list[Claimed]]:
        """For each process that waits, what may be in it together."""
        companies: list[list[Claimed]] = []
        if Lane.ALONE not in self.open_lanes(now):
            return companies
        if not self._quarantine.is_empty and self._quarantine.turn(self._pool.in_hand, now) is Turn.SUSPECT:
            return self._suspect(me, now)
        for _ in range(self._pool.free(Lane.ALONE, now)):
            company = self._journal.claim_company(me, time.time())
            if not company:
                self._waiting.discard(Lane.ALONE)
                break
            companies.append(company)
        return companies

    def _suspect(self, me: int, now: float) -> list[list[Claimed]]:
        if not self._pool.free(Lane.ALONE, now):
            return []
        company = self._journal.claim_company(me, time.time(), suspects=True)
        self._quarantine.took(company, now)
        return [company] if company else []
