"""Ends of tasks that no user code sees are said by the process that decides them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from outlast import endings
from outlast.logs.ends import fields, tell_end
from outlast.outcome import Happening, Raised, Returned, Unbegun
from outlast.tasks import FINISHED, Claimed, End, Settlement

log = logging.getLogger("outlast")
MOST_NAMED = 20  # attempts that are cut at once, each in a line of its own
_OF_AN_ATTEMPT = {End.CRASHED: logging.WARNING, End.INTERRUPTED: logging.DEBUG}
"""By which a task has not ended, but runs again."""


def tell(attempt: Claimed, settlement: Settlement, happening: Happening) -> None:
    """An attempt is over. What it returned or raised its task process has said, where the app's handlers are."""
    if isinstance(happening, Returned | Raised | Unbegun):
        return
    if settlement.state in FINISHED:
        tell_end(settlement.state, settlement.reason, _about(attempt))
    elif level := _OF_AN_ATTEMPT.get(settlement.end):
        tell_end(settlement.state, settlement.reason, _about(attempt), level)


def _about(attempt: Claimed) -> dict[str, object]:
    return fields(attempt.id, attempt.function, attempt.attempt, attempt.lane)


def tell_cut(attempts: Sequence[Claimed], why: str) -> None:
    """Attempts are told to end, or have been ended, for a reason of outlast's own: they run again."""
    for one in attempts[:MOST_NAMED]:
        log.info("%s", endings.cut(one.id, one.function, why), extra=_about(one))
    if len(attempts) > MOST_NAMED:
        log.info("%s", endings.more_cut(len(attempts) - MOST_NAMED, why))
