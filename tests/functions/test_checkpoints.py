"""Checkpoints as text, and functions that want to know their attempt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import outlast
from outlast.errors import NotStorable
from outlast.functions.checkpoints import decoded, encoded
from outlast.functions.encoding import Codec
from outlast.functions.parameters import with_attempt
from outlast.tasks.attempt import Attempt, running_attempt


@pytest.fixture(autouse=True)
def attempt() -> Iterator[Attempt]:
    """The one that runs here."""
    one = Attempt(7, 2, "main:f")
    token = running_attempt.set(one)
    yield one
    running_attempt.reset(token)


@pytest.mark.parametrize(
    "value",
    [None, 0, "text", "a\0b", [1, {"a": None}], {"at": datetime(2026, 3, 28, tzinfo=UTC), "file": Path("a")}, b"bytes"],
)
def test_a_checkpoint_comes_back_as_it_was(value: object) -> None:
    assert decoded(encoded(value)) == value


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({1, 2}, "is a set, which would come back as a list"),
        (object(), "is an instance of builtins.object, which cannot travel"),
        ("x" * 70_000, "it is 68 KiB of JSON, more than the 64 KiB"),
        ("x" * 65_530, "it is 65 KiB of JSON, more than the 64 KiB"),
        ("x" * 2_000_000, "MiB of JSON"),
        ("\ud800", "cannot be written as JSON"),
    ],
)
def test_what_would_not_is_refused_at_the_call(value: object, why: str) -> None:
    with pytest.raises(NotStorable, match=f"this checkpoint cannot be kept: .*{why}"):
        encoded(value)


@pytest.mark.parametrize(
    "text", ["", "5", "{}", '{"value":[["value"]],"@marks":{"function":[["value"]]}}', '{"value":1,"more":2}']
)
def test_a_text_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NotStorable, match="the checkpoint of an attempt before cannot be read"):
        decoded(text)


def first(attempt: outlast.Attempt, path: str) -> object:
    return attempt, path


def last(path: str, attempt: outlast.Attempt) -> object:
    return attempt, path


def optional(path: str, attempt: outlast.Attempt | None = None) -> object:
    return attempt, path


def by_name(*, path: str, attempt: outlast.Attempt) -> object:
    return attempt, path


def beside_others(attempt: outlast.Attempt, *paths: str, **more: str) -> object:
    return attempt, "".join(paths) + "".join(more.values())


class Mailer:
    def send(self, path: str, attempt: outlast.Attempt) -> object:
        return attempt, path


CALLS: list[tuple[Callable[..., Any], tuple[str, ...], dict[str, str]]] = [
    (first, ("a",), {}),
    (first, (), {"path": "a"}),
    (last, ("a",), {}),
    (optional, ("a",), {}),
    (by_name, (), {"path": "a"}),
    (beside_others, ("a",), {}),
    (beside_others, (), {"x": "a"}),
    (Mailer().send, ("a",), {}),
]


@pytest.mark.parametrize(("function", "args", "kwargs"), CALLS)
def test_a_function_gets_the_attempt_that_nobody_has_passed(
    attempt: Attempt, function: Callable[..., Any], args: tuple[str, ...], kwargs: dict[str, str]
) -> None:
    codec = Codec(function)
    text = codec.encode(args, kwargs)
    assert "attempt" not in text
    given, named = codec.decode(text)
    assert function(*given, **named) == (attempt, "a")
    inline, by_keyword = with_attempt(function, args, kwargs)
    assert function(*inline, **by_keyword) == (attempt, "a")


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (last, ("a", Attempt()), {}),
        (last, ("a",), {"attempt": Attempt()}),
        (first, (Attempt(), "a"), {}),
        (optional, ("a", Attempt()), {}),
    ],
)
def test_who_passes_one_is_told_to_leave_it_out(
    function: Callable[..., Any], args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    with pytest.raises(NotStorable, match=r"is an attempt at a task, .*: leave it out of the call"):
        Codec(function).encode(args, kwargs)


def test_an_attempt_is_no_value_either() -> None:
    with pytest.raises(NotStorable, match="an attempt at a task"):
        encoded({"attempt": Attempt()})


def test_what_was_passed_where_it_runs_inline_stays(attempt: Attempt) -> None:
    mine = Attempt()
    args, kwargs = with_attempt(last, ("a", mine), {})
    assert last(*args, **kwargs) == (mine, "a")
    assert with_attempt(len, ("a",), {}) == (("a",), {})
    assert with_attempt(encoded, (attempt,), {}) == ((attempt,), {})
