"""Arguments to JSON and back: what travels comes back the same, what does not is refused with a remedy."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import logging
import math
import re
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI, UploadFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.background import BackgroundTasks
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from outlast.encoding import LARGEST, Codec
from outlast.errors import NotStorable
from outlast.values import difference
from tests.samples import named
from tests.samples.types import (
    Blob,
    Camel,
    Color,
    Doubling,
    Hiding,
    Item,
    Level,
    Loose,
    Measured,
    Options,
    Order,
    Plain,
    Point,
    Remembering,
    SpecialItem,
    Unwritable,
)

MOMENT = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)


def taking(hint: Any) -> Callable[..., Any]:
    """A function with one parameter `x` annotated `hint`."""

    def send(x: Any) -> None: ...

    send.__annotations__ = {"x": hint}
    send.__qualname__ = "send"
    return send


def sent(hint: Any, value: Any) -> Any:
    """`value` after the way to JSON and back, as parameter `x` annotated `hint`."""
    codec = Codec(taking(hint))
    (back,), kwargs = codec.decode(codec.encode((value,), {}))
    assert kwargs == {}
    return back


def refusal(hint: Any, value: Any) -> str:
    with pytest.raises(NotStorable) as refused:
        Codec(taking(hint)).encode((value,), {})
    return str(refused.value)


TRAVELS: list[tuple[Any, Any]] = [
    (int, 3),
    (int, 2**80),
    (str, "ü\n\x00"),
    (str | None, None),
    (bool, True),
    (float, 0.1),
    (float, math.inf),
    (bytes, b"\xff\xfe"),
    (bytes, b"abc"),
    (UUID, uuid4()),
    (datetime, MOMENT),
    (datetime, datetime(2026, 1, 1)),
    (date, date(2026, 1, 1)),
    (time, time(8, 30)),
    (timedelta, timedelta(days=1, microseconds=3)),
    (Decimal, Decimal("1.10")),
    (Path, Path("/tmp/x")),
    (re.Pattern, re.compile("a+")),
    (Color, Color.RED),
    (Level, Level.LOW),
    (Literal["a", 1], 1),
    (Item, Item(sku="a")),
    (Order, Order(at=MOMENT, color=Color.BLUE, items=[Item(sku="a", qty=2)], tags={"x", "y"})),
    (Item | SpecialItem, SpecialItem(sku="a")),
    (Camel, Camel(userName="ada")),
    (Remembering, Remembering(shown=1)),
    (Options, Options(1)),
    (Point, Point(1, 2)),
    (list[Item], [Item(sku="a"), Item(sku="b")]),
    (dict[str, UUID], {"a": uuid4()}),
    (dict[int, str], {1: "a"}),
    (set[int], {1, 2}),
    (frozenset[str], frozenset({"a"})),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], (1, 2, 3)),
    (Iterable[int], [1, 2]),
    (Sequence[str], ["a"]),
    (Any, {"a": [1, 2.5, None, True, "x", {"b": []}]}),
    (inspect.Parameter.empty, [1, {"a": None}]),
    ("NoSuchName", {"a": 1}),
]


@pytest.mark.parametrize(("hint", "value"), TRAVELS)
def test_travels_unchanged(hint: Any, value: Any) -> None:
    back = sent(hint, value)
    assert back == value
    assert type(back) is type(value)


def test_nan_travels() -> None:
    assert math.isnan(sent(float, math.nan))
    assert math.isnan(sent(list[float], [math.nan])[0])


def test_int_travels_as_the_float_that_its_annotation_says() -> None:
    assert sent(float, 5) == 5.0


def test_offset_of_a_moment_is_kept() -> None:
    berlin = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert sent(datetime, berlin).utcoffset() == timedelta(hours=2)


def test_fields_that_were_not_set_stay_unset() -> None:
    assert sent(Item, Item(sku="a")).model_fields_set == {"sku"}


def test_default_factory_does_not_make_another_value() -> None:
    order = Order(at=MOMENT, color=Color.RED, items=[])
    assert sent(Order, order).id == order.id


def fake(module: str, name: str, **members: Any) -> Any:
    """An instance of a class that looks like one of a library which is not installed here."""
    return type(name, (), {"__module__": module, **members})()


class AppSession(type(fake("sqlalchemy.orm.session", "Session"))):  # type: ignore[misc]
    """A session class of the user's."""


def a_request() -> Request:
    return Request({"type": "http", "method": "GET", "path": "/", "headers": []})


async def _nothing() -> None: ...


def a_coroutine() -> Any:
    coroutine = _nothing()
    coroutine.close()
    return coroutine


def holding_itself() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


REFUSED: list[tuple[Any, Callable[[], Any], str, str]] = [
    (Request, a_request, "is a request", "pass the fields"),
    (Any, a_request, "is a request", "pass the fields"),
    (Any, lambda: WebSocket({"type": "websocket"}, _nothing, _nothing), "is a WebSocket", "pass the fields"),  # type: ignore[arg-type]
    (FastAPI, FastAPI, "is an application", "import it inside"),
    (Any, Response, "is a response", "pass the data"),
    (Any, BackgroundTasks, "is a background task", "add its function"),
    (UploadFile, lambda: UploadFile(io.BytesIO()), "is an uploaded file", "pass the bytes, or save it"),
    (Any, lambda: {"f": UploadFile(io.BytesIO())}, "an uploaded file at `x.f`", "pass the bytes"),
    (Any, AppSession, "is a SQLAlchemy session", "open one inside the function"),
    (Any, lambda: fake("sqlalchemy.ext.asyncio.session", "AsyncSession"), "SQLAlchemy session", "open one"),
    (Any, lambda: fake("sqlalchemy.engine.base", "Engine"), "is a SQLAlchemy engine", "import it inside"),
    (Any, lambda: fake("app.models", "User", _sa_class_manager=1), "is a SQLAlchemy object", "primary key"),
    (
        list[Item],
        lambda: [fake("app", "User", _sa_class_manager=1)],
        "SQLAlchemy object at `x[0]`",
        "primary key",
    ),
    (Any, io.BytesIO, "is a file in memory", "getvalue()"),
    (Any, threading.Lock, "is a lock", "in the database"),
    (threading.Lock, threading.Lock, "is a lock", "in the database"),
    (asyncio.Event, asyncio.Event, "is a lock or event", "in the database"),
    (Any, asyncio.Queue, "is a queue", "pass what the function needs"),
    (Any, threading.Thread, "is a thread", "start it inside"),
    (Any, lambda: logging.getLogger("x"), "is a logger", "logging.getLogger"),
    (Any, lambda: (n for n in [1]), "is a generator", "pass a list"),
    (Iterator[int], lambda: iter([1]), "is a generator or iterator", "pass a list"),
    (Any, a_coroutine, "is a coroutine", "await it before"),
    (Any, lambda: print, "is a function", "pass what tells"),
    (Callable[[], None], lambda: partial(print), "is a function", "pass what tells"),
    (Any, lambda: Item, "is a class", "pass what tells"),
    (Any, lambda: json, "is a module", "import it inside"),
    (Any, lambda: ValueError("x"), "is an exception", "str(error)"),
    (Plain, Plain, "an instance of tests.samples.types.Plain", "make it inside the function"),
    (list[Plain], lambda: [Plain()], "tests.samples.types.Plain at `x[0]`", "make it inside the function"),
    (Loose, lambda: Loose(content=Plain()), "tests.samples.types.Plain at `x.content`", "make it inside"),
    (SecretStr, lambda: SecretStr("hush"), "is a secret", "where to find it"),
    (Item, lambda: SpecialItem(sku="a"), "would come back as an Item", "annotate it as SpecialItem"),
    (list[Item], lambda: [SpecialItem(sku="a")], "SpecialItem at `x[0]`", "annotate it as SpecialItem"),
    (Item, lambda: {"sku": "a"}, "is a dict, which would come back as an Item", "pass an Item"),
    (int, lambda: "3", "is annotated `int` but was given a str", "pass what the annotation says"),
    (int, lambda: True, "is annotated `int` but was given a bool", "pass what the annotation says"),
    (int, lambda: math.nan, "is annotated `int` but was given a float", "pass what the annotation says"),
    (int, lambda: None, "was given None", "pass what the annotation says"),
    (float, lambda: 2**60 + 1, "is an int, which would come back as a float", "annotate it as int"),
    (list[int], lambda: (1,), "was given a tuple", "pass what the annotation says"),
    (list[int], lambda: [1, "2"], "has a str at `x[1]`", "pass what the annotation says"),
    (Literal["a"], lambda: "b", "but was given a str: Input should be 'a'", "pass what the annotation says"),
    (Measured, lambda: Measured(value=math.nan), "does not read its own JSON at `x.value`", "plain values"),
    (Blob, lambda: Blob(content=b"\xff"), "not UTF-8 text at `x.content`", "ser_json_bytes='base64'"),
    (Any, lambda: MOMENT, "is a datetime, which would come back as a str", "annotate it, `x: datetime`"),
    (inspect.Parameter.empty, lambda: MOMENT, "is a datetime", "annotate it, `x: datetime`"),
    (Any, uuid4, "is a UUID", "annotate it, `x: UUID`"),
    (Any, lambda: Decimal("1"), "is a Decimal", "annotate it, `x: Decimal`"),
    (Any, lambda: Path("/"), "is a Path", "annotate it, `x: Path`"),
    (Any, lambda: b"x", "which would come back as a str", "annotate it, `x: bytes`"),
    (Any, lambda: {1}, "is a set, which would come back as a list", "annotate it, `x: set`"),
    (Any, lambda: (1, 2), "is a tuple, which would come back as a list", "annotate it, `x: tuple`"),
    (Any, lambda: Item(sku="a"), "which would come back as a dict", "annotate it, `x: Item`"),
    (Any, lambda: Color.RED, "is a Color", "annotate it, `x: Color`"),
    (Any, lambda: Level.LOW, "is a Level, which would come back as an int", "annotate it, `x: Level`"),
    (Any, lambda: {1: "a"}, "a key is not a str", "pass plain values"),
    (
        dict[str, Any],
        lambda: {"when": [MOMENT]},
        "datetime at `x.when[0]`",
        "annotate what is inside, or pass a str",
    ),
    (Hiding, lambda: Hiding(shown=1, hidden=2), "at `x.hidden` that comes back with another", "plain values"),
    (Doubling, lambda: Doubling(number=2), "at `x.number` that comes back with another", "plain values"),
    (Unwritable, lambda: Unwritable(number=1), "cannot be written as JSON", "plain values"),
    (Any, holding_itself, "is a list that cannot be written as JSON", "plain values"),
    (str, lambda: "\ud800", "is a str that cannot be written as JSON", "plain values"),
]


@pytest.mark.parametrize(("hint", "make", "what", "remedy"), REFUSED)
def test_refuses_with_what_it_is_and_a_remedy(
    hint: Any, make: Callable[[], Any], what: str, remedy: str
) -> None:
    sentence = refusal(hint, make())
    assert sentence.startswith(f"{__name__}:send: parameter `x` ")
    assert what in sentence
    assert remedy in sentence
    assert "\n" not in sentence


def test_refuses_open_file_and_socket() -> None:
    with Path("/dev/null").open("rb") as file, socket.socket() as connection:
        assert "is an open file" in refusal(Any, file)
        assert "is a socket" in refusal(Any, connection)
    with tempfile.SpooledTemporaryFile() as file_of_upload:
        assert "is a temporary file" in refusal(Any, file_of_upload)


def test_refuses_what_a_private_attribute_would_lose() -> None:
    remembering = Remembering(shown=1)
    remembering._seen.append(3)
    assert "at `x._seen` that comes back with another value" in refusal(Remembering, remembering)


def test_a_refused_iterator_is_still_whole() -> None:
    numbers = iter([1, 2, 3])
    refusal(Iterable[int], numbers)
    assert list(numbers) == [1, 2, 3]


def test_refusal_shows_no_value() -> None:
    assert "hunter2" not in refusal(int, "hunter2")
    assert "hunter2" not in refusal(SecretStr, SecretStr("hunter2"))


def test_refuses_more_than_a_mebibyte() -> None:
    Codec(taking(str)).encode(("x" * (LARGEST - 100),), {})
    with pytest.raises(NotStorable, match=r"2\.00 MiB of JSON.*pass its key or path"):
        Codec(taking(str)).encode(("x" * LARGEST * 2,), {})
    with pytest.raises(NotStorable, match="MiB of JSON"):
        Codec(taking(str)).encode(("ü" * (LARGEST - 100),), {})


CALLS: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = [
    (named.plain, (1,), {}),
    (named.plain, (), {"number": 1}),
    (named.variadic, (1,), {}),
    (named.variadic, (1, 2, 3), {"flag": True, "note": "x", "named": "y", "rest": "z"}),
    (named.positional, (1,), {}),
    (named.positional, (1, 5), {"d": 6}),
    (named.positional, (1,), {"c": 7}),
    (named.positional, (1, 5, 6), {"d": 7}),
    (named.awkward, (1, "a", 2, 3, 4, 5, 6, 7), {}),
    (named.decorated, (1,), {"text": "x"}),
    (named.Mailer, ("example.org",), {}),
    (named.Mailer.build, ("example.org",), {}),
    (named.unresolved, (1, {"any": "thing"}), {"text": "x"}),
]


@pytest.mark.parametrize(("function", "args", "kwargs"), CALLS)
def test_call_comes_back_as_it_was(function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    codec = Codec(function)
    args_back, kwargs_back = codec.decode(codec.encode(args, kwargs))
    signature = inspect.signature(function)
    assert signature.bind(*args_back, **kwargs_back) == signature.bind(*args, **kwargs)


def test_defaults_are_those_of_the_code_that_runs() -> None:
    text = Codec(named.positional).encode((1,), {})
    assert json.loads(text) == {"a": 1}


WRONG_CALLS: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
    (named.plain, (), {}, "missing a required argument: 'number'"),
    (named.plain, (1, 2), {}, "too many positional arguments"),
    (named.plain, (1,), {"other": 1}, "got an unexpected keyword argument 'other'"),
    (named.plain, (1,), {"number": 1}, "multiple values for argument 'number'"),
]


@pytest.mark.parametrize(("function", "args", "kwargs", "problem"), WRONG_CALLS)
def test_refuses_a_call_that_does_not_fit(
    function: Callable[..., Any], args: Any, kwargs: Any, problem: str
) -> None:
    with pytest.raises(NotStorable) as refused:
        Codec(function).encode(args, kwargs)
    assert problem in str(refused.value)
    assert "tests.samples.named:plain: " in str(refused.value)
    assert "(number: 'int') -> 'int'" in str(refused.value)


def test_hint_that_resolves_is_checked_beside_one_that_does_not() -> None:
    with pytest.raises(NotStorable, match="parameter `known` is annotated `int`"):
        Codec(named.unresolved).encode(("3", None), {})


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ('{"a": 1, "gone": 2}', "at `gone`"),
        ("{}", "at `a`"),
        ('{"a": "1"}', "at `a`"),
        ("no json", "Invalid JSON"),
    ],
)
def test_arguments_stored_for_another_signature_are_refused(stored: str, problem: str) -> None:
    with pytest.raises(NotStorable, match="stored for another version") as refused:
        Codec(named.positional).decode(stored)
    assert problem in str(refused.value)


ITEMS = st.builds(
    Item, sku=st.text(), qty=st.integers(), price=st.decimals(allow_nan=False, allow_infinity=False)
)
MOMENTS = st.datetimes(timezones=st.just(UTC) | st.none())
ORDERS = st.builds(
    Order,
    id=st.uuids(),
    at=MOMENTS,
    color=st.sampled_from(Color),
    items=st.lists(ITEMS, max_size=3),
    tags=st.sets(st.text(max_size=5), max_size=3),
)
PLAIN_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def everything(
    order: Order,
    data: bytes,
    span: timedelta,
    amounts: tuple[float, ...] = (),
    *ids: UUID,
    option: Options | None = None,
    loose: Any = None,
    **days: date,
) -> None: ...


EVERYTHING = Codec(everything)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    positional=st.tuples(ORDERS, st.binary(), st.timedeltas(), st.lists(st.floats()).map(tuple)),
    ids=st.lists(st.uuids(), max_size=3),
    named=st.fixed_dictionaries(
        {},
        optional={
            "option": st.none() | st.builds(Options, st.integers(), st.text()),
            "loose": PLAIN_JSON,
            "day": st.dates(),
            "data_": st.dates(),
        },
    ),
)
def test_whatever_is_accepted_comes_back(positional: Any, ids: list[UUID], named: dict[str, Any]) -> None:
    args = (*positional, *ids)
    assert difference((args, named), EVERYTHING.decode(EVERYTHING.encode(args, named))) is None


@settings(max_examples=200, deadline=None)
@given(
    value=PLAIN_JSON
    | st.dictionaries(st.integers() | st.booleans(), PLAIN_JSON)
    | st.dates()
    | st.tuples(PLAIN_JSON)
)
def test_never_changed_in_silence(value: Any) -> None:
    """Whatever is passed without an annotation either is refused or comes back the same."""
    codec = Codec(taking(Any))
    try:
        text = codec.encode((value,), {})
    except NotStorable:
        return
    ((back,), _) = codec.decode(text)
    assert repr(back) == repr(value)


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [
        (1, True, ()),
        (1, 1.5, ()),
        (1.0, 1, ()),
        ({"a": [1, 2]}, {"a": [1, 3]}, ("a", 1)),
        ({"a": 1}, {"a": 1, "b": 2}, ()),
        ({1: "a"}, {True: "a"}, ()),
        ({1, 2}, {True, 2}, ()),
        ([1], [1, 2], ()),
        ((1,), [1], ()),
        (MOMENT, MOMENT.astimezone(ZoneInfo("Asia/Tokyo")), ()),
        (Options(1), Options(1, "y"), ("label",)),
        (Item(sku="a"), Item(sku="b"), ("sku",)),
        (0.0, math.nan, ()),
    ],
)
def test_difference_finds_the_place(one: Any, other: Any, place: tuple[Any, ...]) -> None:
    assert difference(one, other) == place
    assert difference(one, one) is None
