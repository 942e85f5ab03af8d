"""What a runner claims next: as much as there is room for, from the lanes in which something may wait."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from outlast.events import endings
from outlast.journal.contract import Journal
from outlast.journal.turn import Answers, Source, Wanted, WantedApart
from outlast.runner.ledger import Ledger
from outlast.runner.pool import Pool
from outlast.runner.pools import Pools
from outlast.runner.quarantine import Quarantine, Turn
from outlast.runner.timetable import Timetable
from outlast.system.deployment import Home
from outlast.tasks.task import Lane

LANES = (Lane.LOOP, Lane.THREAD, Lane.ALONE)
LANES_IN_TURN: dict[Turn, tuple[Lane, ...]] = {Turn.SUSPECT: (Lane.ALONE,), Turn.NOBODY: (), Turn.OTHERS: LANES}
MOST_AT_ONCE = 512  # attempts claimed in one transaction (measured: more is not faster)
SEARCH_EVERY = 30.0  # seconds between looks for suspects that nobody told of: a hand may have put one there


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be claimed, and which pool runs it."""

    shared: Sequence[Wanted] = ()
    apart: Sequence[WantedApart] = ()
    pools: Mapping[Home, Pool] = field(default_factory=dict)


class Claims:
    """Knows where something may wait, and who must not run beside whom. timetable: what comes to wait by itself."""

    def __init__(self, journal: Journal, pools: Pools, ledger: Ledger) -> None:
        self._journal = journal
        self._pools = pools
        self._ledger = ledger
        self._quarantine = Quarantine()
        self.timetable = Timetable(journal, pools, ledger)
        self._waiting: set[tuple[Lane, Home]] = set()
        self._next_search = 0.0
        self._next_time = math.inf

    def expect(self) -> None:
        """Something may have come to wait in any lane, of those who are there."""
        self._waiting.update((lane, home) for home in self._pools.homes() for lane in LANES)

    def await_time(self, now: float) -> float:
        """Seconds until a task or a schedule has its time. What had to wait for it may be waiting when that is over."""
        if now >= self._next_time:
            self._next_time = math.inf
            self.expect()
        return min(self._next_time - now, self.timetable.await_tick(now))

    def _in(self, seconds: float | None, now: float) -> None:
        self._next_time = math.inf if seconds is None else now + seconds

    def take_note(self) -> None:
        """Of what has ended. Before a suspect that waits again nobody else begins, also who was claimed already."""
        if self._ledger.may_wait:
            self._ledger.may_wait = False
            self.expect()
        for attempt in self._ledger.take_again():
            self._waiting.update((lane, attempt.home) for lane in LANES)
            self._quarantine.returned(attempt)
            self._clear_lines()

    def _clear_lines(self) -> None:
        if not self._quarantine.is_empty:
            for pool in self._pools.all:
                pool.dispatch.send_back(endings.SUSPECT_RUNS)

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
        lanes: Collection[Lane] = LANES
        if not self._quarantine.is_empty:  # seldom; thousands may be in hand
            lanes = LANES_IN_TURN[self._quarantine.turn(self._pools.in_hand, now)]
        return [(lane, home, pool) for lane, home in served if lane in lanes and (pool := pools[home])]

    def have_room(self, now: float) -> bool:
        """Whether it is worth a look into the journal."""
        return any(pool.free(lane, now) for lane, _, pool in self._open(now))

    def look(self, now: float) -> None:
        """See what is due that nobody woke us for. Outside of a transaction; raises StoreFailed or JournalUnusable."""
        due = self._journal.attempts.due()
        self._in(self._journal.attempts.next_in(), now)
        self._waiting.update((lane, home) for lane, home in due if lane in LANES)
        if now >= self._next_search:
            homes = {home for lane, home in due if lane is Lane.ALONE and self._pools.of(home)}
            is_due = any(self._journal.attempts.has_suspect(home) for home in homes)
            self._quarantine.may_be_due = self._quarantine.may_be_due or is_due
            self._next_search = now + SEARCH_EVERY
            self._clear_lines()

    def make_sure_of_alone(self) -> None:
        """No process is started for lane `alone` because a task may wait in it, only because one does. As `look`."""
        if doubtful := {one for one in self._waiting if one[0] is Lane.ALONE}:
            attempts = self._journal.attempts
            self._waiting -= doubtful.difference(attempts.due() if attempts.is_waiting(Lane.ALONE) else ())

    def asked(self, now: float) -> Asked:
        """What there is room for. What comes of it is for `hand_over`."""
        found = self._open(now)
        wanted: dict[Pool, list[Source]] = {}
        for lane, home, pool in found:
            if lane is not Lane.ALONE:
                wanted.setdefault(pool, []).append((lane, home))
        shared = [self._wanted(pool, sources, now) for pool, sources in wanted.items()]
        alone = [(home, pool) for lane, home, pool in found if lane is Lane.ALONE]
        return Asked(shared, self._wanted_apart(alone, now), {home: pool for _, home, pool in found})

    def _wanted(self, pool: Pool, sources: Sequence[Source], now: float) -> Wanted:
        room = {lane: min(pool.free(lane, now), MOST_AT_ONCE) for lane, _ in sources}
        return Wanted(sources, room, pool.dispatch.queue.room if self._quarantine.is_empty else 0)

    def _wanted_apart(self, alone: Sequence[tuple[Home, Pool]], now: float) -> list[WantedApart]:
        """For each process that waits, what may be in it together; of suspects one, once all of them could be run."""
        free = {pool: pool.free(Lane.ALONE, now) for _, pool in alone}
        if not self._quarantine.is_empty and self._quarantine.turn(self._pools.in_hand, now) is Turn.SUSPECT:
            return [WantedApart([home for home, _ in alone], suspects=True)] if all(free.values()) else []
        return [WantedApart([home for home, of in alone if of is pool], most) for pool, most in free.items() if most]

    def hand_over(self, asked: Asked, answers: Answers, now: float) -> None:
        """This was claimed: it goes to those who asked for it."""
        self._in(answers.next_in, now)
        for taken in answers.taken:
            self._waiting -= taken.dry
            if taken.attempts:
                asked.pools[taken.attempts[0].home].hand_over(taken.attempts, now)
        for wanted, apart in zip(asked.apart, answers.apart, strict=True):
            if wanted.suspects:
                self._quarantine.took([one for group in apart.groups for one in group], now)
            else:
                self._waiting -= {(Lane.ALONE, home) for home in apart.dry}
            for group in apart.groups:
                asked.pools[group[0].home].set_apart(group, now)
