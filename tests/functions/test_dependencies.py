"""What FastAPI fills of a call, and what it leaves as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

from outlast.errors import NotStorable
from outlast.functions.encoding import Codec
from outlast.functions.parameters import dependencies_of

closed: list[str] = []


def session() -> Iterator[str]:
    yield "session"
    closed.append("session")


def user(limit: int) -> int:
    return limit


Session = Annotated[str, Depends(session)]


async def first(opened: Session, number: int, other: str = "other") -> tuple[Any, ...]:
    return opened, number, other


async def last(number: int, *more: int, opened: str = Depends(session), **rest: int) -> tuple[Any, ...]:
    return number, more, opened, rest


def limited(number: int, limit: int = Depends(user)) -> int:
    return number + limit


def filled(function: Any, *args: Any, **kwargs: Any) -> Any:
    """What a call gives that went through the journal."""
    codec = Codec(function)
    assert codec.dependencies is not None
    args, kwargs = codec.decode(codec.encode(args, kwargs))
    return asyncio.run(codec.dependencies.filled(function, args, kwargs, None))


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ((1,), {}, ("session", 1, "other")),
        ((1, "x"), {}, ("session", 1, "x")),
        ((), {"number": 1, "opened": "mine"}, ("mine", 1, "other")),
        ((1,), {"opened": "mine"}, ("mine", 1, "other")),
        (("mine", 1, "x"), {}, ("mine", 1, "x")),
    ],
)
def test_what_is_given_by_place_goes_to_the_other_parameters(
    args: tuple[Any, ...], kwargs: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    assert filled(first, *args, **kwargs) == expected


def test_the_rest_stays_the_rest() -> None:
    assert filled(last, 1, 2, 3, x=4) == (1, (2, 3), "session", {"x": 4})
    assert filled(last, 1, opened="mine") == (1, (), "mine", {})


def test_a_call_that_fits_neither_way_is_refused() -> None:
    with pytest.raises(NotStorable, match="missing a required argument: 'number'"):
        Codec(first).encode((), {})


def test_what_overrides_one_may_need_a_request_no_more_than_that() -> None:
    app = FastAPI()
    app.dependency_overrides[session] = user
    depends = dependencies_of(first)
    assert depends is not None
    with pytest.raises(NotStorable, match="parameter `opened` depends on `user`, which takes query parameter `limit`"):
        asyncio.run(depends.filled(first, (1,), {}, app))
    app.dependency_overrides[session] = lambda: "another one"
    assert asyncio.run(depends.filled(first, (1,), {}, app)) == ("another one", 1, "other")


def test_what_was_stored_before_they_needed_a_request_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    app = FastAPI()
    monkeypatch.setattr("outlast.functions.encoding.newest_app", lambda: app)
    with pytest.raises(NotStorable, match="parameter `limit` depends on `user`, which takes query parameter `limit`"):
        Codec(limited).decode('{"number": 1}')
    app.dependency_overrides[user] = lambda: 9
    assert Codec(limited).decode('{"number": 1}') == ((1,), {})


def test_a_function_without_has_none() -> None:
    assert dependencies_of(user) is None
    assert dependencies_of(len) is None
    assert Codec(user).dependencies is None
