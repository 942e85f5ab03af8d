"""What becomes of a task whose attempt has failed or was cut, as its author wants it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Literal, TypedDict, Unpack

from outlast.errors import OptionError
from outlast.system.program import name_elsewhere
from outlast.text import full_name_of_class

RERUN, FAIL = "rerun", "fail"
JITTERS = ("none", "full", "equal")
MOST_PAUSE = 300.0  # seconds between two tries, if nothing else is said
RETRIES_BY_WISH = 3  # of a task that raises Retry, where nothing is said of `retries`
MOST_DELAY = 100 * 366 * 86_400.0  # seconds: what is later than that is a mistake
_ANY = ("builtins:Exception",)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a task waits before it is tried again: `first * factor ** (n - 1)` seconds before the n-th time.

    most: but never longer (s). jitter: `full` draws from 0 up to that time, `equal` from half of it up, `none` waits
    exactly so long; so that many that have failed together do not come back together
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """

    first: float = 1.0
    factor: float = 2.0
    most: float = MOST_PAUSE
    jitter: str = "full"

    def delay(self, retry: int, chance: float) -> float:
        """Seconds before retry number `retry`, from 1; `chance` is from 0 up to 1."""
        try:
            longest = min(self.most, self.first * self.factor ** (retry - 1))
        except OverflowError:
            longest = self.most
        shortest = {"none": longest, "full": 0.0, "equal": longest / 2}[self.jitter]
        return shortest + (longest - shortest) * chance


class NothingMore(TypedDict):
    """For type checkers: other keywords are wrong."""


def refuse_more(function: str, more: Mapping[str, Any], known: str) -> None:
    """Raises OptionError for a keyword that a function does not have."""
    if more:
        raise OptionError(f"{function}(...) has no {next(iter(more))!r}: it has {known}")


def backoff(
    first: float | timedelta = 1.0,
    factor: float = 2.0,
    most: float | timedelta | None = None,
    jitter: Literal["none", "full", "equal"] = "full",
    **more: Unpack[NothingMore],
) -> Backoff:
    """For option `backoff`: `first` seconds before the first retry, `factor` times as long before each next one.

    most: but never longer (s); by default 300, or `first` if that is more. Both may be a timedelta. jitter: `full`
    (from 0 up to that time), `equal` (from half of it) or `none`. Raises OptionError.
    """
    refuse_more("backoff", more, "first, factor, most, jitter")
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 1.0 <= factor <= MOST_DELAY:
        raise OptionError(f"backoff: 'factor' is {factor!r:.100}, but it has to be a number of at least 1")
    if jitter not in JITTERS:
        raise OptionError(f"backoff: 'jitter' is {jitter!r:.100}, but it has to be one of {', '.join(JITTERS)}")
    try:
        begin = seconds("first", first)
        longest = max(begin, MOST_PAUSE) if most is None else seconds("most", most)
    except OptionError as error:
        raise OptionError(f"backoff: {error}") from None
    return Backoff(begin, float(factor), longest, jitter)


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """retries: how often it is tried again after an error or its timeout. retry_on: names of exceptions (`kinds_of`).

    by_wish: how often it is when it raises `outlast.Retry`.
    reruns: whether an attempt that was cut, with its process or by outlast, is run again.
    """

    retries: int = 0
    backoff: Backoff = Backoff()
    retry_on: tuple[str, ...] = _ANY
    reruns: bool = True
    by_wish: int = RETRIES_BY_WISH

    def tries_again(self, retried: int, kinds: Iterable[str]) -> bool:
        """Whether a task that has been tried again so many times is once more, after an exception of these kinds."""
        return retried < self.retries and self.covers(kinds)

    def covers(self, kinds: Iterable[str]) -> bool:
        """Whether an exception of these kinds is one after which the task is tried again."""
        return not set(self.retry_on).isdisjoint(kinds)

    def text(self) -> str | None:
        """As the journal has it; None where nothing was asked for."""
        if self is NO_POLICY or self == NO_POLICY:
            return None
        wait = self.backoff
        told = {
            "retries": self.retries,
            "backoff": [wait.first, wait.factor, wait.most, wait.jitter],
            "retry_on": list(self.retry_on),
            "reruns": self.reruns,
            "by_wish": self.by_wish,
        }
        return json.dumps(told, separators=(",", ":"))

    @classmethod
    def read(cls, text: str | None) -> FailurePolicy:
        """Raises ValueError for what `text` does not write: nobody knows what was asked for."""
        if text is None:
            return NO_POLICY
        try:
            given = json.loads(text)
            first, factor, most, jitter = given["backoff"]
            wait = backoff(first, factor, most, jitter)
            retries = _whole(given["retries"])
            by_wish = _whole(given.get("by_wish", retries or RETRIES_BY_WISH))  # an older version has not said it
            return cls(retries, wait, _names(given["retry_on"]), bool(given["reruns"]), by_wish)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a policy: {error}") from error


NO_POLICY = FailurePolicy()


def kinds_of(cls: type[BaseException]) -> tuple[str, ...]:
    """By which names `retry_on` may mean an exception: `module:name` of its class, and of those that it is one of."""
    line: tuple[type, ...] = type.__dict__["__mro__"].__get__(cls)  # whatever its metaclass makes of it
    return tuple(_kind(one) for one in line if issubclass(one, BaseException))


def _kind(cls: type) -> str:
    module, _, name = full_name_of_class(cls).partition(":")
    return f"{name_elsewhere(module)}:{name}"


def chance_of(task_id: int, attempt: int) -> float:
    """A number from 0 up to 1, always the same for one attempt: so that what is decided of it can be decided again."""
    drawn = sha256(f"{task_id}:{attempt}".encode()).digest()
    return int.from_bytes(drawn[:6], "big") / (1 << 48)


def seconds(option: str, given: Any, *, least: float = 0.0) -> float:
    """A time as people give it, in seconds. Raises OptionError."""
    total = getattr(given, "total_seconds", None)
    value = total() if callable(total) else given
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
        raise OptionError(
            f"option {option!r} is {given!r:.100}, but it has to be a number of seconds or a timedelta, "
            f"at least {least:g}"
        )
    if value > MOST_DELAY:
        raise OptionError(f"option {option!r} is {given!r:.100}, which is more than 100 years")
    return float(value)


def _whole(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise TypeError(f"{given!r} is no count")
    return given


def _names(given: Sequence[Any]) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise TypeError(f"{given!r} are no names")
    return tuple(given)
