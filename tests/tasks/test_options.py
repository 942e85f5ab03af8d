"""Timeouts and sizes as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum, IntEnum
from typing import Any

import pytest

import outlast
from outlast.errors import OptionError, SettingsError
from outlast.functions.functions import options_of
from outlast.settings.settings import Settings
from outlast.tasks.options import size_of, with_options
from outlast.tasks.task import NO_OPTIONS, TaskOptions


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (1000, 1000),
        ("1000", 1000),
        ("512M", 512 << 20),
        ("512 MiB", 512 << 20),
        ("512mb", 512 << 20),
        ("1.5G", 3 << 29),
        ("8k", 8192),
    ],
)
def test_sizes(text: int | str, size: int) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1", "1T", "5 apples", "1e3", "nan"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        size_of(text)


@pytest.mark.parametrize(
    "options",
    [
        *({"timeout": 0}, {"timeout": -1}, {"timeout": "5"}, {"timeout": True}),
        *({"timeout": float("inf")}, {"timeout": float("nan")}, {"memory": "much"}, {"memory": 0}),
        *({"isolate": "no"}, {"isolate": None}, {"isolate": 0}),
    ],
)
def test_a_wrong_option_is_refused_where_it_is_written(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(OptionError, match=name):
        outlast.task(**options)


def test_the_decorator_says_it_and_a_call_may_say_otherwise() -> None:
    @outlast.task(timeout=60, memory="1M")
    def job() -> None: ...

    asked = options_of(job)["options"]
    assert (asked, asked.most_together) == (TaskOptions(timeout=60.0, memory=1 << 20), 1)
    assert with_options(asked, {"timeout": 5}) == TaskOptions(timeout=5.0, memory=1 << 20)


def job() -> None: ...


@pytest.mark.parametrize(
    ("said", "taken_back"),
    [
        ({"timeout": 60}, {"timeout": None}),
        ({"memory": "1M"}, {"memory": None}),
        ({"isolate": True}, {"isolate": False}),
        ({"isolate": True, "memory": "1M"}, {"memory": None, "isolate": False}),
        ({"delay": 60}, {"delay": 0}),
        ({"expires": 60}, {"expires": None}),
        ({"key": "k", "key_for": 60}, {"key": None, "key_for": 0}),
        ({"queue": "q", "concurrency": 1, "rate": "1/s"}, {"queue": None, "concurrency": None, "rate": None}),
        ({"then": job, "on_failure": job}, {"then": None, "on_failure": None}),
    ],
)
def test_the_nearest_holds_also_where_it_takes_back(said: dict[str, Any], taken_back: dict[str, Any]) -> None:
    asked = with_options(NO_OPTIONS, said)
    assert asked != NO_OPTIONS
    assert with_options(asked, taken_back) == NO_OPTIONS


@pytest.mark.parametrize("expires", [30, 60, timedelta(seconds=59)])
def test_what_would_always_have_expired_before_it_may_begin_is_refused(expires: float | timedelta) -> None:
    never = "'expires' is .* s and 'delay' 60 s.*let 'expires' be more than 'delay'"
    with pytest.raises(OptionError, match=never):
        outlast.task(delay=60, expires=expires)
    with pytest.raises(OptionError, match=never):
        outlast.options(expires=expires, delay=timedelta(minutes=1))
    assert with_options(NO_OPTIONS, {"delay": 60, "expires": 61}).expires == 61
    assert with_options(NO_OPTIONS, {"delay": 60, "expires": None}).delay == 60


def test_a_limit_of_memory_is_that_of_a_process_of_its_own() -> None:
    asked = with_options(NO_OPTIONS, {"memory": "1M"})
    assert with_options(asked, {"isolate": False}).most_together == 1
    assert with_options(asked, {"memory": None}).most_together is None


class Name(str, Enum):  # noqa: UP042 - as many projects have it: it prints its name
    MAIL = "mail"
    SIZE = "1M"
    FAIL = "fail"


class Number(IntEnum):
    HIGH = 5


def test_an_enum_that_is_a_text_or_a_number_is_what_it_is() -> None:
    asked = with_options(
        NO_OPTIONS,
        {
            **dict.fromkeys(("queue", "key", "limit_by"), Name.MAIL),
            **dict.fromkeys(("priority", "retries", "concurrency", "timeout"), Number.HIGH),
            "memory": Name.SIZE,
            "on_crash": Name.FAIL,
        },
    )
    limits = asked.limits
    for text in (limits.queue, asked.key, limits.by):
        assert (type(text), text) == (str, "mail")
    for number in (asked.priority, asked.policy.retries, limits.limit.concurrency):
        assert (type(number), number) == (int, 5)
    assert (asked.timeout, asked.memory, asked.policy.reruns) == (5.0, 1 << 20, False)


def test_settings_know_a_queue_by_an_enum() -> None:
    found = Settings.load({}, queues={Name.MAIL: {"concurrency": 4}}, options={"queue": Name.MAIL})
    assert found.queue("mail").limit.concurrency == 4
    assert found.default_options().limits.queue == "mail"


@pytest.mark.parametrize("size", ["99999999999G", 1 << 63, "1" * 400])
def test_a_size_that_no_machine_has_is_refused(size: int | str) -> None:
    with pytest.raises(OptionError, match="more than a pebibyte"):
        outlast.options(memory=size)
    with pytest.raises(SettingsError, match="max_rss"):
        Settings.load({}, max_rss=size)


def test_run_at_is_of_one_call() -> None:
    with pytest.raises(OptionError, match="is that of one call"):
        outlast.task(run_at=datetime.now(UTC))  # type: ignore[call-overload]


@pytest.mark.parametrize("at", [datetime.max, datetime.max.replace(tzinfo=UTC)])
def test_a_time_that_does_not_come_is_refused(at: datetime) -> None:
    with pytest.raises(OptionError, match="run_at"):
        outlast.options(run_at=at)


def test_run_at_is_a_moment_whenever_it_is_asked_for() -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    asked = with_options(NO_OPTIONS, {"run_at": later})
    assert asked.not_before(later.timestamp() - 10) == later.timestamp()
    assert asked.not_before(later.timestamp() + 10) is None
    assert with_options(asked, {"delay": 5}) == TaskOptions(delay=5.0)
    assert with_options(TaskOptions(delay=5.0), {"run_at": later}) == asked


def test_decorators_of_one_function_add_up() -> None:
    @outlast.task(timeout=10, priority=2)
    @outlast.task(queue="mail", retries=5, priority=1, travels=True)
    def send() -> None: ...

    known = options_of(send)
    assert known["given"] == {"queue": "mail", "retries": 5, "priority": 2, "timeout": 10}
    assert (known["travels"], known["options"]) == (True, with_options(NO_OPTIONS, known["given"]))


def test_options_of_a_call_add_up() -> None:
    now = datetime.now(UTC)
    call = outlast.s(job).options(queue="mail", retries=2, delay=5).options(run_at=now).options(retries=3)
    assert call.given == {"queue": "mail", "retries": 3, "run_at": now}


def test_a_yes_or_no_is_no_text() -> None:
    with pytest.raises(OptionError, match="true or false"):
        outlast.task(travels="no")  # type: ignore[call-overload]


def test_child_start_is_spawn_or_fork() -> None:
    assert Settings.load({"OUTLAST_CHILD_START": "fork"}).child_start == "fork"
    with pytest.raises(SettingsError, match="one of spawn, fork"):
        Settings.load({"OUTLAST_CHILD_START": "thread"})


def test_max_rss_may_have_a_unit() -> None:
    assert Settings.load({"OUTLAST_MAX_RSS": "512M"}).max_rss == 512 << 20
    with pytest.raises(SettingsError, match="such as 512M"):
        Settings.load({"OUTLAST_MAX_RSS": "much"})
