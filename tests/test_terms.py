"""Timeouts and sizes as people write them."""

from __future__ import annotations

from typing import Any

import pytest

import outlast
from outlast.errors import OptionError, SettingsError
from outlast.functions import options_of
from outlast.settings import Settings
from outlast.tasks import NO_TERMS, Terms
from outlast.terms import size_of, terms


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
    ],
)
def test_a_wrong_option_is_refused_where_it_is_written(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(OptionError, match=name):
        outlast.task(**options)


def test_the_decorator_says_it_and_a_call_may_say_otherwise() -> None:
    @outlast.task(timeout=60, memory="1M")
    def job() -> None: ...

    asked = options_of(job)["terms"]
    assert asked == Terms(company=1, timeout=60.0, memory=1 << 20)
    assert terms(asked, timeout=5, memory=None) == Terms(company=1, timeout=5.0, memory=1 << 20)
    assert terms(NO_TERMS, timeout=None, memory=None) == NO_TERMS


def test_child_start_is_spawn_or_fork() -> None:
    assert Settings.load({"OUTLAST_CHILD_START": "fork"}).child_start == "fork"
    with pytest.raises(SettingsError, match="one of spawn, fork"):
        Settings.load({"OUTLAST_CHILD_START": "thread"})


def test_max_rss_may_have_a_unit() -> None:
    assert Settings.load({"OUTLAST_MAX_RSS": "512M"}).max_rss == 512 << 20
    with pytest.raises(SettingsError, match="such as 512M"):
        Settings.load({"OUTLAST_MAX_RSS": "much"})
