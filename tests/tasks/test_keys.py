"""What may be a key, how long it holds, and the one that a request brings along."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from starlette.requests import Request

import outlast
from outlast.errors import OptionError
from outlast.tasks.keys import MOST_KEY
from outlast.tasks.options import with_options
from outlast.tasks.task import NO_OPTIONS


def test_a_call_may_have_another_key_than_its_function_or_none() -> None:
    asked = with_options(NO_OPTIONS, {"key": "nightly", "key_for": timedelta(hours=1)})
    assert (asked.key, asked.key_for) == ("nightly", 3600.0)
    assert with_options(asked, {"key": None}).key is None
    assert with_options(asked, {"key": "other"}).key == "other"


@pytest.mark.parametrize("key", ["", 5, b"a", True, "a\nb", "a\0b", "\ud800", "x" * (MOST_KEY + 1)])
def test_what_is_no_key(key: Any) -> None:
    with pytest.raises(OptionError, match="'key'"):
        with_options(NO_OPTIONS, {"key": key})


@pytest.mark.parametrize("key_for", [-1, "1h", float("nan"), True])
def test_what_is_no_period(key_for: Any) -> None:
    with pytest.raises(OptionError, match="'key_for'"):
        with_options(NO_OPTIONS, {"key_for": key_for})


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (b"8e03978e-40d5", "8e03978e-40d5"),
        (b' "8e03978e-40d5" ', "8e03978e-40d5"),
        (b"", None),
        (b"  ", None),
        (b'""', None),
        (b'"', '"'),
        (b"x" * MOST_KEY, "x" * MOST_KEY),
        (b"x" * (MOST_KEY + 1), digest("x" * (MOST_KEY + 1))),
        (b"a\tb", digest("a\tb")),
        (b"caf\xe9", "café"),
    ],
)
def test_the_key_of_a_request_is_one_or_none(header: bytes, key: str | None) -> None:
    request = Request({"type": "http", "headers": [(b"idempotency-key", header)]})
    assert outlast.idempotency_key(request) == key
    assert with_options(NO_OPTIONS, {"key": key}).key == key


def test_without_the_header_there_is_none() -> None:
    assert outlast.idempotency_key(Request({"type": "http", "headers": []})) is None
