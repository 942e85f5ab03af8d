"""Limits as people write them, the clock of a rate, and whose turn it is."""

from __future__ import annotations

import json
from collections import Counter
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import outlast
from outlast.errors import OptionError
from outlast.tasks.limits import (
    CATCH_UP,
    Limit,
    Limits,
    Line,
    QueueSettings,
    admitted,
    every,
    next_after,
    rate_of,
    tokens,
    with_key,
)
from outlast.tasks.options import with_options
from outlast.tasks.schedules import Blueprint
from outlast.tasks.task import NO_OPTIONS, Lane

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("rate", "seconds"), [("10/s", 0.1), ("1/m", 60.0), ("1000/h", 3.6), (" 5 / d ", 17_280.0), ("0.5/s", 2.0)]
)
def test_rates(rate: str, seconds: float) -> None:
    assert every("it", rate) == pytest.approx(seconds)


@pytest.mark.parametrize("rate", ["", "10", "10/w", "/s", "0/s", "-1/s", "nan/s", "10/s/s", 10, None, "1e3/s"])
def test_what_is_no_rate(rate: Any) -> None:
    with pytest.raises(OptionError, match=r"it is .*, but it has to be a number and a time"):
        every("it", rate)


@pytest.mark.parametrize("rate", ["10/s", "1/s", "100/m", "1000/h", "7/d", "30/m"])
def test_a_rate_is_shown_as_people_write_it(rate: str) -> None:
    assert every("it", rate_of(every("it", rate))) == pytest.approx(every("it", rate))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"concurrency": 0}, "option 'concurrency' is 0, but it has to be a whole number from 1"),
        ({"concurrency": "3"}, "option 'concurrency'"),
        ({"concurrency": True}, "option 'concurrency'"),
        ({"rate": "fast"}, "option 'rate'"),
        ({"queue": "a b"}, "option 'queue'"),
        ({"queue": ""}, "option 'queue'"),
        ({"queue": "x" * 101}, "option 'queue'"),
        ({"limit_by": "a."}, "option 'limit_by'"),
        ({"limit_by": 5}, "option 'limit_by'"),
    ],
)
def test_what_is_no_limit(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        with_options(NO_OPTIONS, options)


def test_what_the_call_says_holds() -> None:
    function = with_options(NO_OPTIONS, {"queue": "mail", "concurrency": 3, "rate": "1/s", "limit_by": "tenant"})
    call = with_options(function, {"queue": None, "concurrency": 5})
    assert call.limits == Limits("", Limit(5, 1.0), "tenant")
    assert with_options(function, {"rate": None, "concurrency": None, "limit_by": None}).limits == Limits("mail")


def test_what_a_schedule_asks_for_has_its_limits() -> None:
    asked = with_options(NO_OPTIONS, {"queue": "mail", "concurrency": 3, "rate": "10/s", "limit_by": "tenant"})
    text = Blueprint("main:send", '{"tenant":7}', Lane.LOOP, asked).text()
    task = Blueprint.read(text).task(lambda: 1, NOW, "schedule")
    assert task.options.limits == Limits("mail", Limit(3, 0.1), "tenant", "7")


@pytest.mark.parametrize("text", ["", "[]", "{}", "5", '["mail", "x", 0, ""]', '["a b", 0, 0, ""]', '["", 0, "x", ""]'])
def test_limits_that_outlast_did_not_write_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Limits.read(text)


def test_a_parameter_that_is_not_there_is_refused_where_it_is_written() -> None:
    with pytest.raises(OptionError, match=r"'limit_by' is 'tenand', but .*send has no such parameter"):

        @outlast.task(limit_by="tenand")
        def send(tenant: int) -> None: ...


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (5, "queue 'mail' is 5"),
        ({"concurency": 4}, "queue 'mail' has no 'concurency': it may have concurrency, rate, max_waiting"),
        ({"concurrency": -1}, "'concurrency' of queue 'mail' is -1"),
        ({"rate": "x"}, "'rate' of queue 'mail'"),
        ({"max_waiting": 0}, "'max_waiting' of queue 'mail'"),
    ],
)
def test_what_is_no_setting_of_a_queue(given: Any, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        QueueSettings.read("mail", given)


def test_what_is_set_for_a_queue() -> None:
    read = QueueSettings.read("mail", {"concurrency": 4, "rate": "10/s", "max_waiting": 100})
    assert read == QueueSettings(Limit(4, 0.1), 100)
    assert QueueSettings.read("mail", {"concurrency": None}) == QueueSettings()


@pytest.mark.parametrize(
    ("by", "key"),
    [("tenant", "7"), ("order.tenant", '"a"'), ("order.no", "null"), ("missing", "null"), ("tenant.x", "null")],
)
def test_the_value_that_limits_are_of(by: str, key: str) -> None:
    arguments = json.dumps({"tenant": 7, "order": {"tenant": "a"}})
    assert with_key(Limits(by=by), arguments).key == key


def test_a_long_value_has_a_short_key_of_its_own() -> None:
    one, other = (with_key(Limits(by="text"), json.dumps({"text": "x" * 5000 + end})).key for end in "ab")
    assert one != other
    assert len(one) == 64


@given(st.floats(0.001, 100.0), st.lists(st.floats(0.0, 5.0), min_size=1, max_size=50))
def test_a_rate_is_never_exceeded(seconds: float, pauses: list[float]) -> None:
    now, next_at, begun = NOW, 0.0, 0
    for pause in pauses:
        now += pause
        count = int(tokens(seconds, next_at, now))
        if count:
            next_at, begun = next_after(count, seconds, next_at, now), begun + count
        assert tokens(seconds, next_at, now) <= 1, "by the rounding of a float"
    assert begun <= (now - NOW - pauses[0] + CATCH_UP) / seconds * 1.001 + 2


def test_without_a_rate_any_number_may_begin() -> None:
    assert tokens(0.0, 0.0, NOW) == inf


def line(number: int, count: int, *scopes: str) -> Line:
    return Line(number, scopes, (number * 1000 + one for one in range(count)))


def test_lines_take_turns_until_there_is_no_room() -> None:
    found = [task for _, task in admitted([line(1, 100), line(2, 2), line(3, 1)], 6, {})]
    assert found == [1000, 2000, 3000, 1001, 2001, 1002]


def test_each_scope_lets_as_many_through_as_it_may() -> None:
    lines = [line(1, 10, "queue q", "task a"), line(2, 10, "queue q", "task b"), line(3, 10, "task c")]
    found = Counter(one.gate for one, _ in admitted(lines, 100, {"queue q": 5, "task a": 1, "task b": 9, "task c": 2}))
    assert found == {1: 1, 2: 4, 3: 2}
