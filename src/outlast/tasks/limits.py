"""How many tasks may run at once, how often one may begin, and whose turn it is. Pure."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from hashlib import sha256
from math import inf
from typing import Any

from outlast.errors import OptionError
from outlast.text import as_text

MOST_CONCURRENCY = 1_000_000
MOST_QUEUE = 100  # characters of its name
CATCH_UP = 0.1  # seconds: what begins late does not make all that follow late, but no more than that comes at once
_MOST_KEY = 200  # characters of what `limit_by` names; of more there is a hash
_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_RATE = re.compile(r"\s*(?P<count>\d{1,9}(?:\.\d{1,6})?)\s*/\s*(?P<unit>[smhd])\s*")
_NAME = re.compile(rf"[\w.-]{{1,{MOST_QUEUE}}}")
_OF_QUEUE = ("concurrency", "rate", "max_waiting")
_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True)
class Limit:
    """concurrency: how many attempts may run at once; 0 for any number.

    every: seconds from the begin of one to that of the next, on average; 0 for none.
    """

    concurrency: int = 0
    every: float = 0.0


NO_LIMIT = Limit()


@dataclass(frozen=True, slots=True)
class Limits:
    """What is asked of a task. queue: whose limits hold for it, too, and its name; empty for none.

    limit: of its function, or, with `by`, of those that have the same value of that parameter, or of an attribute of
    it: `key` is that value in the task, as JSON.
    """

    queue: str = ""
    limit: Limit = NO_LIMIT
    by: str = ""
    key: str = ""

    def text(self) -> str:
        """As a schedule has it."""
        return json.dumps([self.queue, self.limit.concurrency, self.limit.every, self.by])

    @classmethod
    def read(cls, text: str) -> Limits:
        """Raises ValueError for what `text` does not write."""
        try:
            queue, most, seconds, by = json.loads(text)
            limit = Limit(most and concurrency("concurrency", most), float(seconds))
            return cls(queue and queue_name("queue", queue), limit, by and parameter_path("limit_by", by))
        except (TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"no limits: {error}") from error

    def scope(self, function: str) -> str:
        """Of whom its own limits are: of its function, or of one key of it; empty if it has none, and no key."""
        if not self.by and self.limit == NO_LIMIT:
            return ""
        return f"task {function} {self.key}" if self.by else f"task {function}"


NO_LIMITS = Limits()


def of_queue(name: str) -> str:
    """The scope of a queue's limits."""
    return f"queue {name}"


def every(option: str, rate: Any) -> float:
    """Seconds from one to the next at a rate such as "10/s", "100/m", "1000/h" or "5/d". Raises OptionError."""
    found = _RATE.fullmatch(rate) if isinstance(rate, str) else None
    if found is None or not float(found["count"]):
        raise OptionError(
            f"{option} is {rate!r:.100}, but it has to be a number and a time, such as '10/s', '100/m' or '1000/h'"
        )
    return _UNITS[found["unit"]] / float(found["count"])


def rate_of(every: float) -> str:
    """That rate, as people write it: in the shortest time that makes a whole number of it."""
    for unit, seconds in _UNITS.items():
        count = round(seconds / every, 6)
        if count >= 1 and count == int(count):
            return f"{int(count)}/{unit}"
    return f"{round(60.0 / every, 6):g}/m"


def concurrency(option: str, given: Any) -> int:
    """How many may run at once. Raises OptionError."""
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MOST_CONCURRENCY:
        raise OptionError(f"{option} is {given!r:.100}, but it has to be a whole number from 1 to {MOST_CONCURRENCY}")
    return int(given)


def queue_name(option: str, given: Any) -> str:
    """Raises OptionError for what cannot be the name of a queue."""
    if not isinstance(given, str) or not _NAME.fullmatch(given):
        raise OptionError(
            f"{option} is {given!r:.100}, but it has to be a name of letters, digits, '_', '-' and '.', "
            f"of at most {MOST_QUEUE} characters"
        )
    return as_text(given)


def parameter_path(option: str, given: Any) -> str:
    """Raises OptionError for what names neither a parameter nor an attribute of one."""
    if not isinstance(given, str) or not _PATH.fullmatch(given):
        raise OptionError(f"{option} is {given!r:.100}, but it has to be a parameter, or an attribute: 'order.tenant'")
    return as_text(given)


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """Of one queue. max_waiting: how many of its tasks may wait; None for any number."""

    limit: Limit = NO_LIMIT
    max_waiting: int | None = None

    @classmethod
    def read(cls, name: str, given: Any) -> QueueSettings:
        """Of what a setting says, such as `{"concurrency": 4, "rate": "10/s", "max_waiting": 1000}`.

        Raises OptionError.
        """
        queue_name("the name of a queue", name)
        if not isinstance(given, Mapping):
            raise OptionError(f"queue {name!r} is {given!r:.100}, but it has to be a table of {', '.join(_OF_QUEUE)}")
        if unknown := sorted(map(str, given.keys() - set(_OF_QUEUE))):
            raise OptionError(f"queue {name!r} has no {unknown[0]!r}: it may have {', '.join(_OF_QUEUE)}")
        most, rate, most_waiting = (given.get(one) for one in _OF_QUEUE)
        about = f"of queue {name!r}"
        limit = Limit(
            0 if most is None else concurrency(f"'concurrency' {about}", most),
            0.0 if rate is None else every(f"'rate' {about}", rate),
        )
        return cls(limit, None if most_waiting is None else concurrency(f"'max_waiting' {about}", most_waiting))


def with_key(limits: Limits, arguments: str | None) -> Limits:
    """The same, with the value that `by` names in these arguments (JSON, by parameter); null if they have none."""
    if not limits.by:
        return limits
    value = json.loads(arguments or "{}")
    for name in limits.by.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return keyed(limits, json.dumps(value, separators=(",", ":"), sort_keys=True))


def keyed(limits: Limits, value: str) -> Limits:
    """The same, as those of a value (JSON)."""
    return replace(limits, key=value if len(value) <= _MOST_KEY else sha256(value.encode()).hexdigest())


def tokens(every: float, next_at: float, now: float) -> float:
    """How many may begin now, of which the next may at `next_at` (s); any number without a rate.

    GCRA (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm), with as much burst as CATCH_UP gives.
    """
    if every <= 0:
        return inf
    first = _first_at(every, next_at, now)
    return 0 if first > now else int((now - first) / every) + 1


def next_after(count: int, every: float, next_at: float, now: float) -> float:
    """When the next may begin after so many have."""
    return _first_at(every, next_at, now) + count * every


def _first_at(every: float, next_at: float, now: float) -> float:
    """What is later than it can be is of a slower rate, or of a clock that was set back since: it does not hold."""
    return max(next_at if next_at <= now + every * 1.001 else now, now - CATCH_UP)


@dataclass(frozen=True, slots=True)
class Line:
    """Who waits behind one gate. scopes: of whom limits hold for them. tasks: their ids, the first in line first."""

    gate: int
    scopes: tuple[str, ...]
    tasks: Generator[int, None, None]


def admitted(lines: Iterable[Line], room: int, left: MutableMapping[str, float]) -> Iterator[tuple[Line, int]]:
    """Whose turn it is, one of each line after the other; `left` says of each scope how many of it may begin."""
    waiting = deque(lines)
    while waiting and room > 0:
        line = waiting.popleft()
        if any(left[scope] < 1 for scope in line.scopes) or (task := next(line.tasks, None)) is None:
            continue
        for scope in line.scopes:
            left[scope] -= 1
        room -= 1
        waiting.append(line)
        yield line, task
