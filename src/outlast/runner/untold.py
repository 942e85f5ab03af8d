"""Failures that a task process reports before it logs them: if it dies in between, its runner says them."""

from __future__ import annotations

import logging

from outlast.events import endings
from outlast.runner.ends import of_attempt
from outlast.tasks.outcome import Raised
from outlast.tasks.task import Claimed, State


class Untold:
    """Of one process. That it has logged one may be heard before the failure itself: both leave at once."""

    def __init__(self) -> None:
        self._failures: dict[int, tuple[Claimed, Raised]] = {}
        self._told: set[int] = set()

    def add(self, attempt: Claimed, failure: Raised) -> None:
        """It has reported that one."""
        if attempt.id in self._told:
            self._told.discard(attempt.id)
        else:
            self._failures[attempt.id] = attempt, failure

    def strike(self, task_id: int, *, is_running: bool) -> None:
        """It has logged that one, whose failure is still to be heard if it runs."""
        if self._failures.pop(task_id, None) is None and is_running:
            self._told.add(task_id)

    def tell(self) -> None:
        """It is dead, and logs nothing any more."""
        for attempt, failure in self._failures.values():
            again = attempt.policy.tries_again(attempt.retried, failure.kinds)
            state, level = (State.WAITING, logging.WARNING) if again else (State.FAILED, logging.ERROR)
            endings.tell_end(state.label, failure.reason, of_attempt(attempt), level)
        self._failures.clear()
