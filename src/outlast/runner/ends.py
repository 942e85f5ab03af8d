"""Ends of tasks that no user code sees are said by the process that decides them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from outlast import endings
from outlast.outcome import Happening, Raised
from outlast.tasks import Claimed, Settlement, State, shown

log = logging.getLogger("outlast")
MOST_NAMED = 20  # attempts that are cut at once, each in a line of its own
_LEVELS = {State.FAILED: logging.ERROR, State.CANCELLED: logging.INFO, State.DONE: logging.DEBUG}


def tell(attempt: Claimed, settlement: Settlement, happening: Happening) -> None:
    """A task has ended for good. What it raised its task process has said, where the app's handlers are."""
    level = _LEVELS.get(settlement.state)
    if level is None or isinstance(happening, Raised):
        return
    about = {"task_id": shown(attempt.id), "function": attempt.function, "attempt": attempt.attempt}
    sentence = endings.ended(attempt.id, attempt.function, settlement.state.label, settlement.reason)
    log.log(level, "%s", sentence, extra={**about, "lane": str(attempt.lane)})


def tell_cut(attempts: Sequence[Claimed], why: str) -> None:
    """Attempts are told to end, or have been ended, for a reason of outlast's own: they run again."""
    for one in attempts[:MOST_NAMED]:
        about = {"task_id": shown(one.id), "function": one.function, "attempt": one.attempt, "lane": str(one.lane)}
        log.info("%s", endings.cut(one.id, one.function, why), extra=about)
    if len(attempts) > MOST_NAMED:
        log.info("%s", endings.more_cut(len(attempts) - MOST_NAMED, why))
