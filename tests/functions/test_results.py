"""What a function returns, as JSON and back, and why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, SecretStr

from outlast.errors import NoResult
from outlast.functions.results import Results, ResultsOfAll, is_surely_longer
from outlast.tasks.outcome import RETURNED

MOST = 1000  # bytes


class Order(BaseModel):
    number: int
    prices: dict[str, Decimal]


@dataclass(frozen=True)
class Point:
    x: float
    where: Path


def orders() -> list[Order]: ...  # type: ignore[empty-body]


async def point() -> Point | None: ...


def moment() -> datetime: ...  # type: ignore[empty-body]


def bare():  # type: ignore[no-untyped-def]  # noqa: ANN201
    ...


def never() -> NoReturn: ...  # type: ignore[empty-body]


def says_none() -> None: ...


def unresolved() -> Nowhere: ...  # type: ignore[name-defined] # noqa: F821


def number() -> int: ...  # type: ignore[empty-body]


ROUND_TRIPS: list[tuple[Callable[..., Any], Any]] = [
    (orders, [Order(number=1, prices={"a": Decimal("1.50")})]),
    (point, Point(1.0, Path("/tmp"))),
    (moment, datetime(2026, 3, 28, 12, tzinfo=ZoneInfo("Europe/Paris"))),
    (bare, {"a": [1, 2.5, None, "\u00e9\x00\u2028"]}),
    (bare, UUID(int=7)),
    (bare, False),
    (bare, ""),
    (never, 5),
    (says_none, 5),
    (unresolved, [1]),
    (number, 2**70),
    (len, 3),
]


@pytest.mark.parametrize(("function", "value"), ROUND_TRIPS)
def test_a_result_comes_back_the_same(function: Callable[..., Any], value: Any) -> None:
    kept = Results(function).kept(value, MOST)
    assert kept.result is not None, kept.lost
    assert not kept.lost
    back = Results(function).read(kept.result)
    assert (type(back), back) == (type(value), value)


def test_none_is_nothing() -> None:
    assert Results(number).kept(None, MOST) is RETURNED
    assert Results(number).kept(5, 0) is RETURNED


class Raises(dict[str, int]):
    def values(self) -> Any:
        raise OSError("gone")


@pytest.mark.parametrize(
    ("function", "value", "why"),
    [
        (number, "one", "it is annotated `int` but was given a str"),
        (bare, (number for _ in "a"), "it is a generator"),
        (bare, object(), "it is an instance of builtins.object, which cannot travel"),
        (bare, [Point(1.0, Path())], "as a dict: annotate what is inside, or return a dict"),
        (bare, Point(1.0, Path()), "would come back as a dict: annotate it, `-> Point`"),
        (bare, "\ud800", "cannot be"),
        (bare, "x" * MOST, f"it is more than {MOST} bytes of JSON (setting `max_result`)"),
        (bare, ["\x00"] * 300, f"it is more than {MOST} bytes"),
        (bare, Raises(a=1), "looking at it raised OSError: gone"),
    ],
)
def test_what_is_not_kept_is_a_sentence(function: Callable[..., Any], value: Any, why: str) -> None:
    kept = Results(function).kept(value, MOST)
    assert kept.result is None
    assert kept.lost.startswith("its result is not kept: ")
    assert why in kept.lost
    assert "parameter" not in kept.lost


def test_exactly_as_much_as_is_allowed_is_kept() -> None:
    assert Results(bare).kept("x" * 98, 100).result == '{"result":"%s"}' % ("x" * 98)
    assert Results(bare).kept("x" * 99, 100).result is None


def test_what_is_large_is_not_written_to_find_that_out() -> None:
    class Unwritable(dict[str, str]):
        def values(self) -> Any:
            raise AssertionError

    assert is_surely_longer(Unwritable(dict.fromkeys(map(str, range(100)), "")), 50)
    assert is_surely_longer([["x" * 30], ("y" * 30, {"z": {1, 2}})], 60)
    assert is_surely_longer(Order(number=1, prices={"x" * 5: Decimal(1)} | dict.fromkeys("abcdef", Decimal(1))), 8)
    assert not is_surely_longer([["x" * 30], 1], 60)
    circle: list[Any] = []
    circle.append(circle)
    assert is_surely_longer(circle, 1000)


def test_a_secret_is_marked() -> None:
    def token() -> SecretStr: ...  # type: ignore[empty-body]

    kept = Results(token).kept(SecretStr("sesame"), MOST)
    assert kept.result is None or '"@marks":{"secret":[["result"]]}' in kept.result


def test_what_a_function_returns_otherwise_now_cannot_be_read() -> None:
    path, all_of_them = f"{__name__}:number", ResultsOfAll()
    assert all_of_them.read(path, '{"result":5}') == 5
    for text in ('{"result":"five"}', "", "{}", "5", '{"result":5,"@marks":{"odd":[]}}'):
        with pytest.raises(NoResult, match=f"what {path} has returned cannot be read back: "):
            all_of_them.read(path, text)
    with pytest.raises(NoResult, match="cannot be read back"):
        all_of_them.read(f"{__name__}:gone", '{"result":5}')
    assert all_of_them.of(number) is all_of_them.of(number)


def test_the_moment_is_kept_with_its_offset() -> None:
    kept = Results(moment).kept(datetime(2026, 1, 1, tzinfo=UTC), MOST)
    assert kept.result == '{"result":"2026-01-01T00:00:00Z"}'
