"""What becomes of a task that failed, was cut or raised a wish: pure decisions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import outlast
from outlast.errors import OptionError
from outlast.tasks.options import with_options
from outlast.tasks.outcome import (
    Beside,
    Cut,
    Died,
    Happening,
    Raised,
    Returned,
    Stopped,
    Stuck,
    Suspected,
    Unbegun,
    Unknown,
    WentDown,
    Why,
    Wish,
    Wished,
    outcome,
)
from outlast.tasks.policy import NO_POLICY, RETRIES_BY_WISH, Backoff, FailurePolicy, chance_of, kinds_of, seconds
from outlast.tasks.task import NO_OPTIONS, Claimed, End, Lane, State

ATTEMPT = Claimed(7, 1, 0, 0, "main:send", "[[], {}]", Lane.LOOP)
THREE = FailurePolicy(retries=3, backoff=Backoff(2.0, 3.0, 10.0, "none"))
REFUSED = Raised("ConnectionRefusedError: no", "Traceback", kinds_of(ConnectionRefusedError))


def tried(policy: FailurePolicy, retried: int = 0, **more: Any) -> Claimed:
    return ATTEMPT._replace(attempt=retried + 1, retried=retried, policy=policy, **more)


@pytest.mark.parametrize(("retried", "delay"), [(0, 2.0), (1, 6.0), (2, 10.0)])
def test_a_failed_attempt_is_tried_again_later_and_later(retried: int, delay: float) -> None:
    settled = outcome(REFUSED, tried(THREE, retried), 2)
    assert (settled.end, settled.state, settled.delay, settled.retried) == (End.ERROR, State.WAITING, delay, 1)
    assert settled.traceback == "Traceback"
    assert settled.reason == (f"ConnectionRefusedError: no; tried again after {delay:.1f} s (retry {retried + 1} of 3)")


def test_when_no_retry_is_left_it_has_failed_and_says_so() -> None:
    settled = outcome(REFUSED, tried(THREE, 3), 2)
    assert (settled.state, settled.retried, settled.delay) == (State.FAILED, 0, 0.0)
    assert settled.reason == "ConnectionRefusedError: no; no retry is left (of 3)"


def test_without_a_policy_a_failed_attempt_is_the_end_as_with_fastapi_alone() -> None:
    settled = outcome(REFUSED, tried(NO_POLICY), 2)
    assert (settled.state, settled.reason) == (State.FAILED, "ConnectionRefusedError: no")


@pytest.mark.parametrize(
    ("named", "error", "is_covered"),
    [
        (OSError, ConnectionRefusedError, True),
        (ConnectionRefusedError, OSError, False),
        (Exception, ValueError, True),
        (Exception, SystemExit, False),
        (SystemExit, SystemExit, True),
    ],
)
def test_only_after_what_it_names_is_a_task_tried_again(
    named: type[BaseException], error: type[BaseException], *, is_covered: bool
) -> None:
    policy = replace(THREE, retry_on=kinds_of(named)[:1])
    settled = outcome(Raised("no", "", kinds_of(error)), tried(policy), 2)
    assert settled.state is (State.WAITING if is_covered else State.FAILED)


def test_a_timeout_is_a_failure_like_others() -> None:
    stopped = Stopped(Why.TIMEOUT, 5.0)
    assert outcome(stopped, tried(THREE), 2).state is State.WAITING
    assert outcome(stopped, tried(replace(THREE, retry_on=("builtins:TimeoutError",))), 2).state is State.WAITING
    assert outcome(stopped, tried(replace(THREE, retry_on=("builtins:ValueError",))), 2).state is State.FAILED
    assert outcome(stopped, tried(NO_POLICY), 2).state is State.FAILED


def test_what_was_cancelled_is_not_tried_again() -> None:
    assert outcome(Stopped(Why.CANCEL, 5.0), tried(THREE), 2).state is State.CANCELLED


@pytest.mark.parametrize("happened", [Cut("a stop"), Beside(1, "died"), Suspected(1, "died", 3), WentDown("gone")])
def test_a_cut_counts_as_no_retry(happened: Happening) -> None:
    settled = outcome(happened, tried(THREE, 3), 2)
    assert (settled.state, settled.retried, settled.delay) == (State.WAITING, 0, 0.0)


CUTS: list[Happening] = [
    Cut("a stop"),
    Beside(1, "died"),
    Suspected(1, "died", 3),
    Died(1, "died"),
    WentDown("gone"),
    Stuck(1, 5.0, 2),
    Stopped(Why.STALL, 5.0),
    Stopped(Why.LEAVE, 5.0, because="it left"),
]


@pytest.mark.parametrize("happened", CUTS)
def test_what_must_not_happen_twice_has_failed_when_it_was_cut(happened: Happening) -> None:
    settled = outcome(happened, tried(FailurePolicy(reruns=False)), 2)
    assert settled.state is State.FAILED
    assert settled.reason.endswith("it is not run again (option `on_crash`)")
    assert "it runs again" not in settled.reason


@pytest.mark.parametrize("happened", [Unbegun("a stop"), Unknown("no such function")])
def test_what_has_not_begun_cannot_have_happened(happened: Happening) -> None:
    assert outcome(happened, tried(FailurePolicy(reruns=False), begun=False), 2).state in (State.WAITING, State.PARKED)
    assert outcome(Returned(), tried(FailurePolicy(reruns=False)), 2).state is State.DONE


@pytest.mark.parametrize("policy", [NO_POLICY, THREE])
def test_a_task_may_want_to_be_tried_again_at_its_own_time(policy: FailurePolicy) -> None:
    wished = Wished(Wish.RETRY, "busy", 5.0, "Traceback")
    settled = outcome(wished, tried(policy), 2)
    assert (settled.end, settled.state, settled.delay, settled.retried) == (End.RETRY, State.WAITING, 5.0, 1)
    assert "busy; tried again after 5.0 s (retry 1 of 3)" in settled.reason
    assert outcome(wished, tried(policy, RETRIES_BY_WISH), 2).state is State.FAILED
    assert outcome(replace(wished, after=None), tried(THREE), 2).delay == 2.0


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_retries_hold_for_what_wants_to_be_tried_again_too(retries: int) -> None:
    by_function = with_options(NO_OPTIONS, {"retries": 2})
    policy = with_options(by_function, {"retries": retries}).policy
    kept = FailurePolicy.read(policy.text())
    states = [outcome(Wished(Wish.RETRY, "busy"), tried(kept, retried), 2).state for retried in range(retries + 1)]
    assert states == [*[State.WAITING] * retries, State.FAILED]


def test_retries_of_an_older_version_hold_as_they_did_there() -> None:
    for retries, by_wish in ((0, RETRIES_BY_WISH), (5, 5)):
        before = {name: value for name, value in _WHOLE.items() if name != "by_wish"} | {"retries": retries}
        assert FailurePolicy.read(json.dumps(before)).by_wish == by_wish


def test_a_retry_without_a_text_has_a_reason() -> None:
    settled = outcome(Wished(Wish.RETRY, ""), tried(NO_POLICY, RETRIES_BY_WISH), 2)
    assert settled.reason == "it raised outlast.Retry; no retry is left (of 3)"


def test_a_task_may_sleep_and_that_counts_as_nothing() -> None:
    settled = outcome(Wished(Wish.SNOOZE, "not yet", 60.0), tried(THREE, 3), 2)
    assert (settled.end, settled.state, settled.delay, settled.retried) == (End.SNOOZED, State.WAITING, 60.0, 0)
    assert settled.reason == "it wants to run again after 60.0 s: not yet"


def test_a_task_may_discard_itself() -> None:
    settled = outcome(Wished(Wish.DISCARD, "no such user"), tried(THREE), 2)
    assert (settled.state, settled.reason) == (State.CANCELLED, "it discarded itself: no such user")


@given(
    first=st.floats(0, 1e6),
    factor=st.floats(1, 1e6),
    most=st.floats(0, 1e6),
    jitter=st.sampled_from(["none", "full", "equal"]),
    retry=st.integers(1, 100_000),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_a_pause_is_never_longer_than_the_longest(
    first: float, factor: float, most: float, jitter: Any, retry: int, chance: float
) -> None:
    delay = outlast.backoff(first, factor, most, jitter).delay(retry, chance)
    assert 0 <= delay <= most


def test_jitter_spreads_those_that_failed_together_and_is_the_same_when_asked_twice() -> None:
    drawn = [chance_of(task, 1) for task in range(1000)]
    assert drawn == [chance_of(task, 1) for task in range(1000)]
    assert all(0 <= one < 1 for one in drawn)
    tenths = [sum(low <= 10 * one < low + 1 for one in drawn) for low in range(10)]
    assert min(tenths) > 50


@pytest.mark.parametrize(
    "policy", [THREE, FailurePolicy(reruns=False), FailurePolicy(1, Backoff(0.5), ("builtins:OSError",))]
)
def test_a_policy_comes_back_from_the_journal_as_it_was(policy: FailurePolicy) -> None:
    assert FailurePolicy.read(policy.text()) == policy
    assert NO_POLICY.text() is None
    assert FailurePolicy.read(None) is NO_POLICY


_WHOLE = json.loads(THREE.text() or "")


@pytest.mark.parametrize(
    "change",
    [
        *({"retries": -1}, {"retries": "3"}, {"retries": True}, {"retries": 1.5}),
        *({"backoff": []}, {"backoff": [1, 2]}, {"backoff": [-1, 2, 3, "none"]}, {"backoff": [1, 2, 3, "much"]}),
        *({"retry_on": "OSError"}, {"retry_on": [1]}, {"retry_on": None}, {"by_wish": None}, {"by_wish": -1}),
    ],
)
def test_a_policy_that_outlast_did_not_write_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a policy"):
        FailurePolicy.read(json.dumps(_WHOLE | change))


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{", '{"retries": 3}'])
def test_text_that_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a policy"):
        FailurePolicy.read(text)


@pytest.mark.parametrize(
    "wrong",
    [{"first": -1}, {"factor": 0.5}, {"most": float("inf")}, {"first": "1"}, {"jitter": "some"}, {"first": True}],
)
def test_a_backoff_that_cannot_be_is_refused_where_it_is_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="backoff: "):
        outlast.backoff(**wrong)


def test_times_are_seconds_or_timedeltas() -> None:
    assert seconds("delay", timedelta(minutes=2)) == 120.0
    assert seconds("delay", 3) == 3.0
    for wrong in (-1, "5", None, float("nan"), float("inf"), True, timedelta(seconds=-1), 1e12):
        with pytest.raises(OptionError, match="option 'delay' is"):
            seconds("delay", wrong)


@pytest.mark.parametrize(
    ("given", "first", "most"),
    [
        ({}, 1.0, 300.0),
        ({"first": 600}, 600.0, 600.0),
        ({"first": timedelta(minutes=10)}, 600.0, 600.0),
        ({"first": 600, "most": timedelta(seconds=5)}, 600.0, 5.0),
    ],
)
def test_the_first_pause_is_as_long_as_was_said(given: dict[str, Any], first: float, most: float) -> None:
    made = outlast.backoff(**given)
    assert (made.first, made.most) == (first, most)
