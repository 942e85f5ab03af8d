"""Forgetting what is past keeping, a little at a time."""

from __future__ import annotations

from outlast.journal.contract import Journal
from outlast.journal.turn import Retention
from outlast.runner.policy import Policy

PRUNE_EVERY = 30.0  # seconds between looks for tasks that are past keeping
PRUNE_AGAIN = 0.05  # seconds between slices while there are some


class Pruning:
    """`next_prune`: when (monotonic) there may be something to forget. Who serves nobody was not told what to keep."""

    def __init__(self, journal: Journal, policy: Policy) -> None:
        self.next_prune = 0.0
        self._journal = journal
        self._policy = policy
        self._next_count = 0.0
        self._surplus = 0  # the newest of the done tasks that are too many

    def count(self, now: float) -> None:
        """See which of the done tasks are too many, outside of any transaction: that takes milliseconds."""
        if now >= self._next_count:
            self._next_count = now + PRUNE_EVERY
            self._surplus = self._journal.tasks.surplus(self._policy.settings.keep_done_count)

    def due(self, now: float) -> Retention | None:
        """What is to be kept, if it is time to forget what is not."""
        settings = self._policy.settings
        if now < self.next_prune:
            return None
        return Retention(settings.keep_done, settings.keep_done_count, settings.keep_failed, self._surplus)

    def forgot(self, count: int, now: float) -> None:
        """So many were forgotten: more may be left."""
        self.next_prune = now + (PRUNE_AGAIN if count else PRUNE_EVERY)
