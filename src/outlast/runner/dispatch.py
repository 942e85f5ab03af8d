"""The way of attempts from a claim into task processes, and out of them."""

from __future__ import annotations

import time
from collections.abc import Collection

from outlast.events import endings
from outlast.journal.turn import Began, Learned
from outlast.runner import ends
from outlast.runner.children import Child
from outlast.runner.ledger import Ledger
from outlast.runner.queue import Queue
from outlast.tasks.outcome import Cut, Happening, Stopped, Unbegun, Why
from outlast.tasks.task import Claimed


class Dispatch:
    """Of one pool. What is claimed and in no process waits in `queue`."""

    def __init__(self, ledger: Ledger) -> None:
        self.queue = Queue()
        self._ledger = ledger

    def line_up(self, claims: Collection[Claimed]) -> None:
        """Take what was claimed."""
        for attempt in self.queue.line_up(claims):
            self.end(attempt, Unbegun(endings.BEFORE_IS_GONE))

    def pass_on(self, children: Collection[Child], now: float) -> None:
        """Give each whose turn it is to the one of `children` that has most room for it, as far as there is room."""
        for child, share in self.queue.take_for(children).items():
            begun = [self._begun(one) for one in share]
            if not child.hand_over(begun, now):
                self.queue.ready += begun

    def _begun(self, attempt: Claimed) -> Claimed:
        if attempt.begun:
            return attempt
        attempt = attempt._replace(begun=True)
        self._ledger.add(Began(attempt.id, attempt.attempt, time.time()))
        return attempt

    def end(self, attempt: Claimed, happening: Happening) -> None:
        """An attempt is over. What is behind it begins, or waits in the journal until this has run again."""
        if self._ledger.settle(attempt, happening):
            self.queue.move_up(attempt.id)
            return
        for one in self.queue.take_all_behind(attempt.id):
            self._ledger.settle(one, Unbegun(endings.before_has_not_ended(attempt.id)))

    def send_back(self, why: str) -> None:
        """Let those wait in the journal that wait here for the end of another."""
        for attempt in self.queue.take_behind():
            self.end(attempt, Unbegun(why))

    def learn(self, found: Learned) -> None:
        """From now on that function runs apart, also where it is next in a line."""
        self._ledger.learn(found)
        for attempt in self.queue.take_behind(lambda one: one.function == found.function):
            self._ledger.settle(attempt, Unbegun(endings.BLOCKS_THE_LOOP))

    def cancel(self, tasks: Collection[int]) -> None:
        """These shall not begin any more."""
        for attempt in self.queue.take_out(tasks):
            self.end(attempt, Stopped(Why.CANCEL, 0.0))

    def let_go(self, why: str) -> None:
        """What is in no process is cut, and nobody is to blame."""
        given = self.queue.take_ready()
        for attempt in given:
            self.end(attempt, Cut(why) if attempt.begun else Unbegun(why))
        ends.tell_cut([one for one in given if one.begun], why)
