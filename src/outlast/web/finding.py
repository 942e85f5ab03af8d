"""What `find` may be asked for: checked where it is written. Pure, but for the clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from math import inf
from typing import Any, Literal, cast

from outlast.errors import OptionError
from outlast.ids import LARGEST_ID
from outlast.journal.read import Which
from outlast.system.process import now
from outlast.tasks.task import State

Since = datetime | timedelta | None
StateName = Literal["held", "waiting", "running", "done", "failed", "cancelled", "dropped", "parked"]
States = StateName | Collection[StateName]

_BY_NAME = {state.label: state for state in State}


def states_of(asked: States) -> list[State]:
    """Raises OptionError for a state that there is not."""
    names = asked if isinstance(asked, Collection) and not isinstance(asked, str) else [asked]
    for name in names:
        if not isinstance(name, str) or name not in _BY_NAME:
            raise OptionError(f"there is no state {name!r:.100}: there are {', '.join(_BY_NAME)}")
    return [_BY_NAME[name] for name in names]


def moment_of(since: Since) -> float:
    """In seconds since the epoch. Raises OptionError."""
    if isinstance(since, timedelta):
        return now() - since.total_seconds()
    if isinstance(since, datetime):
        return _timestamp(since)
    if since is None:
        return 0.0
    raise OptionError(f"'since' is {since!r:.100}, but it has to be a datetime, or a timedelta: how long ago, at most")


def _timestamp(moment: datetime) -> float:
    """Infinite of one that is too far away for this machine to say."""
    try:
        return moment.timestamp()
    except (ValueError, OverflowError, OSError):
        return -inf if moment.year < 1970 else inf


def most_of(limit: int) -> int:
    """Raises OptionError for what is no count."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit <= LARGEST_ID:
        raise OptionError(f"'limit' is {limit!r:.100}, but it has to be a whole number, 0 or more")
    return limit


def texts_of(which: Mapping[str, Any]) -> Which:
    """Raises OptionError for what no task can have."""
    for name, text in which.items():
        if name not in Which.__annotations__:
            raise OptionError(
                f"find(...) has no {name!r}: it has state, since, limit, {', '.join(Which.__annotations__)}"
            )
        if not isinstance(text, str) or not text.isprintable():
            raise OptionError(f"{name!r} is {text!r:.100}, but it has to be text that can be printed")
    return cast("Which", which)
