"""Ends of tasks that no user code sees are said by the process that decides them."""

from __future__ import annotations

import logging

from outlast import events
from outlast.outcome import Happening, Raised
from outlast.tasks import Claimed, Settlement, State, shown

log = logging.getLogger("outlast")
_LEVELS = {State.FAILED: logging.ERROR, State.CANCELLED: logging.INFO, State.DONE: logging.DEBUG}


def tell(attempt: Claimed, settlement: Settlement, happening: Happening) -> None:
    """A task has ended for good. What it raised its task process has said, where the app's handlers are."""
    level = _LEVELS.get(settlement.state)
    if level is None or isinstance(happening, Raised):
        return
    about = {"task_id": shown(attempt.id), "function": attempt.function, "attempt": attempt.attempt}
    sentence = events.ended(attempt.id, attempt.function, settlement.state.label, settlement.reason)
    log.log(level, "%s", sentence, extra={**about, "lane": str(attempt.lane)})
