"""How a task has ended, in the log: by whoever decides it, always at the same level and with the same fields."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType

from outlast import endings
from outlast.tasks import State, shown

log = logging.getLogger("outlast")
LEVELS: Mapping[State, int] = MappingProxyType(
    {
        State.DONE: logging.DEBUG,
        State.FAILED: logging.ERROR,
        State.CANCELLED: logging.INFO,
        State.DROPPED: logging.WARNING,
    }
)


def fields(task: int, function: str, attempt: int, lane: str) -> dict[str, object]:
    """What the record of each line about an end has besides."""
    return {"task_id": shown(task), "function": function, "attempt": attempt, "lane": str(lane)}


def tell_end(state: State, reason: str, about: Mapping[str, object], level: int | None = None) -> None:
    """Say it. `about` is what `fields` gives; `level` is that of the state, if it is not given."""
    became = "waits again" if state is State.WAITING else state.label
    sentence = endings.ended(str(about["task_id"]), str(about["function"]), became, reason)
    log.log(LEVELS[state] if level is None else level, "%s", sentence, extra=about)
