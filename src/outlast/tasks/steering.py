"""What a task may raise to say what is to become of it."""

from __future__ import annotations

from datetime import timedelta

from outlast.errors import OptionError
from outlast.tasks.outcome import Raised, Wish, Wished
from outlast.tasks.policy import kinds_of, seconds
from outlast.text import MOST_REASON, in_one_line, is_a, one_line, said_by, traceback_of, with_type


class Steering(Exception):
    """The base of `Retry`, `Snooze` and `Discard`."""

    wish: Wish
    reason: str = ""  # these two stay where a class of the user's own does not call `__init__`
    after: float | None = None

    def __init__(self, reason: str = "", after: float | timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = str(reason)
        self.after = None if after is None else seconds("after", after)


class Retry(Steering):
    """Raised by a task: this attempt has failed, try again after `after` seconds.

    Without `after` as option `backoff` says. It counts as a retry: up to `retries` times, or 3 where none are said.
    """

    wish = Wish.RETRY

    def __init__(self, reason: str = "", *, after: float | timedelta | None = None) -> None:
        if isinstance(reason, int | float | timedelta):
            raise OptionError(f"the reason of a Retry is {reason!r:.100}, which is no text: write Retry(after=...)")
        super().__init__(reason, after)


class Snooze(Steering):
    """Raised by a task: nothing is wrong, but come back in `after` seconds. It counts as no retry."""

    wish = Wish.SNOOZE

    def __init__(self, after: float | timedelta, reason: str = "") -> None:
        super().__init__(reason, after)


class Discard(Steering):
    """Raised by a task: there is nothing to be done any more. It ends as `cancelled`, and is not tried again."""

    wish = Wish.DISCARD

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)


def ending_by(error: BaseException, said: str | None = None, *, skip: int = 0) -> Raised | Wished:
    """How an attempt has ended that raised `error`; a wish that cannot be fulfilled is a failure that says why.

    A group of one exception has ended as that one.
    said: what there is to say, other than its text. skip: frames of the traceback that are left out.
    """
    traceback, kinds = traceback_of(error, skip=skip), kinds_of(type(error))
    while is_a(error, BaseExceptionGroup) and len(error.exceptions) == 1:  # as TaskGroup makes of one
        error = error.exceptions[0]
        kinds += kinds_of(type(error))
    if is_a(error, Steering):
        try:
            return _wished(error, traceback)
        except BaseException as odd:  # noqa: BLE001 - a class of the user's own may make of its attributes what it likes
            said = in_one_line(odd)
    return Raised(with_type(error, said_by(error) if said is None else said), traceback, kinds)


def _wished(error: Steering, traceback: str) -> Wished:
    """Raises OptionError, or what reading an attribute raises."""
    wish, after = Wish(error.wish), error.after
    if after is not None or wish is Wish.SNOOZE:
        after = seconds("after", after)
    return Wished(wish, one_line(error.reason or said_by(error), MOST_REASON), after, traceback)
