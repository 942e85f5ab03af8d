"""Writes what the ledger holds: one transaction at a time, again when the journal does not take it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from outlast.errors import IdTaken, JournalUnusable, StoreFailed, TaskRefused
from outlast.events import hindrances
from outlast.events.journal import TakenAlong
from outlast.journal.refused import bare
from outlast.journal.schedules import Halted, Tick
from outlast.journal.turn import Answers, NotIntroduced, RunnersJournal, Turn
from outlast.runner import ends, ledger
from outlast.runner.claims import Asked, Claims
from outlast.runner.ledger import Ended, Entry, Ledger, turn_of
from outlast.runner.parking import Parking
from outlast.runner.pools import Pools, queues_of
from outlast.runner.presence import Presence
from outlast.runner.pruning import Pruning
from outlast.runner.refusal import Refusal
from outlast.tasks.limits import Limit

LINGER = 0.003  # seconds between transactions while work is outstanding: more ends share one fsync (measured)
LINGER_IN_LINE = 5  # times as long as one took, while short tasks are behind others: during one none of them begins
LONGEST_LINGER = 0.03  # seconds


class Pen:
    """next_try: when (monotonic) the journal may take something again. written_at: when it last did.

    pause: how long the next transaction may be put off, while short tasks are behind others (s).
    """

    def __init__(
        self, journal: RunnersJournal, ledger: Ledger, presence: Presence, pools: Pools, pruning: Pruning
    ) -> None:
        self.next_try = self.written_at = 0.0
        self.pause = LINGER
        self.pruning = pruning
        self._journal = journal
        self.ledger = ledger
        self._queues: dict[str, Limit] | None = None  # their limits, as the journal has them
        self._presence = presence
        self._pools = pools
        self._refusal = Refusal()

    @property
    def has_something(self) -> bool:
        """Whether something has to be written, whatever may be claimed."""
        return bool(self.ledger) or self._presence.is_unknown

    def refused(self, error: Exception) -> None:
        """The journal does not take it: keep everything in memory and try again."""
        self.next_try = self._refusal.next_try(error, self.ledger.counted())

    def write(self, claims: Claims, parking: Parking, now: float, *, serves: bool) -> None:
        """What has ended, who has died, and the next attempts, which are handed over: none where it does not serve."""
        page = self.ledger.page
        if ledger.leaves_or_finds_tasks(page):
            claims.expect()
        asked, keep = (claims.asked(now), self.pruning.due(now)) if serves else (Asked(), None)
        queues = self._new_limits() if serves else None
        turn = replace(self._turn_of(page), wanted=asked.shared, apart=asked.apart, queues=queues, keep=keep)
        try:
            answers = self._store(turn)
        except TaskRefused as error:
            self._write_in_pieces(page, error)
        except (StoreFailed, JournalUnusable) as error:
            self.refused(error)
        else:
            self._queues = self._queues if queues is None else queues
            if keep:
                self.pruning.forgot(answers.forgotten, now)
            if ledger.parks(page):
                parking.stir()
            self._written(page, now)
            claims.hand_over(asked, answers, now)

    def _new_limits(self) -> dict[str, Limit] | None:
        """Those of queues, if they are not as the journal has them."""
        queues = queues_of(self._pools.all)
        return queues if queues != self._queues else None

    def _written(self, page: Sequence[Entry], now: float) -> None:
        self.ledger.strike(page)
        self._refusal.end()
        self.written_at = now
        self.pause = min(LONGEST_LINGER, max(LINGER, LINGER_IN_LINE * (time.monotonic() - now)))

    def _turn_of(self, page: Sequence[Entry]) -> Turn:
        return turn_of(page, self._presence.me, self._presence.file)

    def _store(self, turn: Turn) -> Answers:
        """Another journal may have come to the path: then this runner introduces itself."""
        try:
            answers = self._journal.turn(turn)
        except NotIntroduced:
            children = [(child.id, child.pid) for child in self._pools.children]
            introduction = self._presence.introduction(children, [*self.ledger.ended, *self._pools.in_hand])
            answers = self._journal.turn(replace(turn, introduction=introduction, queues=queues_of(self._pools.all)))
        self._presence.is_known()
        if answers.adopted:
            TakenAlong(answers.adopted).tell()
        ends.tell_buried(turn.burials, answers.buried)
        return answers

    def _write_in_pieces(self, page: Sequence[Entry], error: TaskRefused) -> None:
        """Something is nothing for a journal. If it is none of what is in memory, there is nothing to be set aside."""
        try:
            if not page:
                raise error
            self._write_apart(page)
        except (StoreFailed, JournalUnusable, TaskRefused) as failure:
            self.refused(failure)

    def _write_apart(self, page: Sequence[Entry]) -> None:
        """Write in halves, so that what is refused is set aside alone.

        Raises StoreFailed or JournalUnusable when the journal takes nothing any more; the rest waits then.
        """
        try:
            self._store(self._turn_of(page))
        except TaskRefused as error:
            if len(page) == 1:
                self._set_aside(page[0], error)
            else:
                half = len(page) // 2
                self._write_apart(page[:half])
                self._write_apart(page[half:])
        self.ledger.strike(page)

    def _set_aside(self, entry: Entry, error: TaskRefused) -> None:
        """Say so; of an attempt's end the journal gets as little as it can be told in, a schedule is paused."""
        if isinstance(entry, Tick) and isinstance(error, IdTaken):
            return  # the next look at the schedule draws others
        hindrances.ChangeSetAside(type(entry).__name__.lower(), str(error)).tell()
        if isinstance(entry, Tick):
            instead: Entry = Halted(entry.schedule, entry.revision, str(error))
        elif isinstance(entry, Ended):
            instead = replace(entry, settlement=bare(entry.settlement, str(error)))
        else:
            return
        try:
            self._store(self._turn_of([instead]))
        except TaskRefused:  # there is nothing of it that can be stored
            return
