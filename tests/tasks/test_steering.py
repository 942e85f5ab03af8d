"""What a task wishes by what it raises, also by a class of the user's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from outlast.errors import OptionError
from outlast.tasks.outcome import Raised, Wish, Wished
from outlast.tasks.steering import Discard, Retry, Snooze, Steering, ending_by


class WithoutInit(Retry):
    def __init__(self, code: int) -> None: ...


class SnoozeWithoutInit(Snooze):
    def __init__(self) -> None: ...


class WithoutWish(Steering): ...


class After(Retry):
    def __init__(self, after: Any) -> None:
        super().__init__("later")
        self.after = after


class NoReason(Discard):
    def __init__(self) -> None:
        super().__init__("over")
        self.reason = None  # type: ignore[assignment]


class Unreadable(Retry):
    @property
    def after(self) -> float | None:
        raise SystemExit("not to be read")

    @after.setter
    def after(self, value: float | None) -> None: ...


@pytest.mark.parametrize(
    ("error", "wish", "reason", "after"),
    [
        (Retry("busy", after=timedelta(minutes=1)), Wish.RETRY, "busy", 60.0),
        (Retry(), Wish.RETRY, "", None),
        (Snooze(5), Wish.SNOOZE, "", 5.0),
        (Discard("over"), Wish.DISCARD, "over", None),
        (WithoutInit(429), Wish.RETRY, "429", None),
        (After(timedelta(seconds=2)), Wish.RETRY, "later", 2.0),
        (NoReason(), Wish.DISCARD, "over", None),
    ],
    ids=str,
)
def test_a_wish_is_read_whatever_class_it_is_of(error: Steering, wish: Wish, reason: str, after: float | None) -> None:
    assert ending_by(error) == Wished(wish, reason, after, ending_by(error).traceback)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (After("30"), "option 'after' is '30', but it has to be a number of seconds"),
        (After(float("nan")), "option 'after' is nan"),
        (After(-1), "option 'after' is -1"),
        (SnoozeWithoutInit(), "option 'after' is None"),
        (WithoutWish("what?"), "AttributeError"),
        (Unreadable(), "SystemExit: not to be read"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_wish_that_cannot_be_fulfilled_is_a_failure_that_says_why(error: Steering, why: str) -> None:
    ending = ending_by(error)
    assert isinstance(ending, Raised)
    assert why in ending.reason
    assert ending.reason.startswith(type(error).__name__)
    assert f"outlast.tasks.steering:{Steering.__name__}" in ending.kinds


def in_groups(error: Exception) -> ExceptionGroup[Exception]:
    return ExceptionGroup("a group", [ExceptionGroup("of a TaskGroup", [error])])


def test_a_group_of_one_exception_is_that_one() -> None:
    wished = ending_by(in_groups(Retry("busy", after=3)))
    assert wished == Wished(Wish.RETRY, "busy", 3.0, wished.traceback)
    failed = ending_by(in_groups(ConnectionResetError("gone")))
    assert isinstance(failed, Raised)
    assert failed.reason == "ConnectionResetError: gone"
    assert {"builtins:ConnectionError", "builtins:ExceptionGroup"} <= set(failed.kinds)
    assert "of a TaskGroup" in failed.traceback


def test_a_group_of_several_is_a_failure() -> None:
    failed = ending_by(ExceptionGroup("both", [Retry(), Retry()]))
    assert isinstance(failed, Raised)
    assert failed.reason == "ExceptionGroup: both (2 sub-exceptions)"


@pytest.mark.parametrize("given", [60, 1.5, timedelta(minutes=1)])
def test_a_time_is_no_reason(given: Any) -> None:
    with pytest.raises(OptionError, match=r"the reason of a Retry is .*: write Retry\(after="):
        Retry(given)
