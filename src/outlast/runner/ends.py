"""Ends of tasks that no user code sees are said by the process that decides them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from outlast.events import endings
from outlast.journal.turn import Burial, Buried
from outlast.tasks.outcome import Happening, Raised, Returned, Unbegun, Wished
from outlast.tasks.task import FINISHED, Claimed, End, Lane, Settlement, State

MOST_NAMED = 20  # attempts that are cut at once, each in a line of its own
_OF_AN_ATTEMPT = {End.CRASHED: logging.WARNING, End.TIMEOUT: logging.WARNING, End.INTERRUPTED: logging.DEBUG}
"""By which a task has not ended, but runs again."""


def tell_settled(attempt: Claimed, settlement: Settlement, happening: Happening) -> None:
    """An attempt is over. What it returned or raised its task process has said, where the app's handlers are."""
    if isinstance(happening, Returned | Raised | Wished | Unbegun):
        return
    if settlement.state in FINISHED:
        endings.tell_end(settlement.state.label, settlement.reason, of_attempt(attempt))
    elif level := _OF_AN_ATTEMPT.get(settlement.end):
        endings.tell_end(settlement.state.label, settlement.reason, of_attempt(attempt), level)


def of_attempt(attempt: Claimed) -> endings.About:
    """What each line about it has."""
    return endings.about(attempt.id, attempt.function, attempt.attempt, attempt.lane, attempt.queue)


def tell_buried(burials: Sequence[Burial], buried: Sequence[Buried]) -> None:
    """Web workers are dead, and so is what could only run there."""
    for dead, left in zip(burials, buried, strict=True):
        for task_id, function in left.never_ran:
            endings.tell_end(State.DROPPED.label, dead.never_ran, endings.about(task_id, function, 0, Lane.INLINE))
        for attempt in left.cut:
            endings.tell_end(State.FAILED.label, dead.cut, of_attempt(attempt))


def tell_cut(attempts: Sequence[Claimed], why: str) -> None:
    """Attempts are told to end, or have been ended, for a reason of outlast's own: they run again."""
    for one in attempts[:MOST_NAMED]:
        endings.AttemptCut(*of_attempt(one), why).tell()
    if len(attempts) > MOST_NAMED:
        endings.MoreAttemptsCut(len(attempts) - MOST_NAMED, why).tell()
