"""What cannot travel is refused with what it is, where it is, and what to pass instead."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import math
import socket
import tempfile
import textwrap
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI, UploadFile
from pydantic import SecretStr
from starlette.background import BackgroundTasks
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from outlast.errors import NotStorable
from outlast.functions.encoding import LARGEST, Codec
from tests.samples.calls import taking
from tests.samples.types import (
    Blob,
    Color,
    Doubling,
    Hiding,
    Item,
    Level,
    Loose,
    Measured,
    Plain,
    ReadByAlias,
    Remembering,
    Secretive,
    SpecialItem,
    Unwritable,
    WrittenByAlias,
)

MOMENT = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)


def refusal(hint: Any, value: Any) -> str:
    with pytest.raises(NotStorable) as refused:
        Codec(taking(hint)).encode((value,), {})
    return str(refused.value)


def fake(module: str, name: str, **members: Any) -> Any:
    """An instance of a class that looks like one of a library which is not installed here."""
    return type(name, (), {"__module__": module, **members})()


def row(module: str, name: str, **members: Any) -> Any:
    """An instance of a user's model class, whose base looks like that of a library which is not installed here."""
    return type("Group", (type(fake(module, name, **members)),), {})()


class SQLRow(Item):
    """As a table of SQLModel is: a pydantic model that SQLAlchemy maps."""

    sku: str = ""
    id: int
    _sa_class_manager: ClassVar[object] = None


class Summer(tzinfo):
    """A zone whose offset changes with the date, as those of dateutil."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return timedelta(hours=1) if moment else None

    def dst(self, moment: datetime | None) -> timedelta:  # noqa: ARG002
        return timedelta(0)

    def tzname(self, moment: datetime | None) -> str:  # noqa: ARG002
        return "summer"


PARIS = ZoneInfo("Europe/Paris")


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
    (Any, lambda: fake("app.models", "User", _sa_class_manager=1), "is a SQLAlchemy row", "primary key"),
    (
        list[Item],
        lambda: [fake("app", "User", _sa_class_manager=1)],
        "SQLAlchemy row at `x[0]`",
        "primary key",
    ),
    (SQLRow, lambda: SQLRow(id=1), "is a SQLAlchemy row", "primary key"),
    (dict[str, list[SQLRow]], lambda: {"a": [SQLRow(id=1)]}, "holds a SQLAlchemy row at `x.a[0]`", "primary key"),
    (Loose, lambda: Loose(content=SQLRow(id=1)), "SQLAlchemy row at `x.content`", "primary key"),
    (Any, lambda: row("django.db.models.base", "Model"), "is a Django row", "primary key"),
    (Any, lambda: row("tortoise.models", "Model", __await__=iter), "is a Tortoise row", "primary key"),
    (list[Any], lambda: [row("peewee", "Model")], "holds a Peewee row at `x[0]`", "primary key"),
    (Any, lambda: row("pony.orm.core", "Entity"), "is a Pony row", "primary key"),
    (Any, lambda: row("beanie.odm.documents", "Document"), "is a Beanie document", "pass its id"),
    (Any, lambda: row("mongoengine.document", "Document"), "is a MongoEngine document", "pass its id"),
    (dict[str, Any], lambda: {"a": (n for n in [1])}, "holds a generator or iterator at `x.a`", "pass a list"),
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
    (object, lambda: print, "is a function", "pass what tells"),
    (object, lambda: Item, "is a class", "pass what tells"),
    (list[Any], lambda: [len], "holds a function", "pass what tells"),
    (Callable[[], None], lambda: 3, "was given an int", "pass a function"),
    (type[Item], lambda: None, "was given None", "pass a function"),
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
    (Any, lambda: {1}, "is a set, which would come back as a list", "annotate it, `x: set`"),
    (Any, lambda: (1, 2), "is a tuple, which would come back as a list", "annotate it, `x: tuple`"),
    (Any, lambda: Item(sku="a"), "which would come back as a dict", "annotate it, `x: Item`"),
    (Any, lambda: Color.RED, "is a Color", "annotate it, `x: Color`"),
    (Any, lambda: Level.LOW, "is a Level, which would come back as an int", "annotate it, `x: Level`"),
    (Any, lambda: {1: "a"}, "a key is not a str", "pass plain values"),
    (
        dict[str, Any],
        lambda: {"when": [Color.RED]},
        "Color at `x.when[0]`",
        "annotate what is inside, or pass a str",
    ),
    (Hiding, lambda: Hiding(shown=1, hidden=2), "at `x.hidden` that comes back with another", "plain values"),
    (Doubling, lambda: Doubling(number=2), "at `x.number` that comes back with another", "plain values"),
    (WrittenByAlias, lambda: WrittenByAlias(first="a"), "is written as `firstName` and read as `first`", "one `alias`"),
    (ReadByAlias, lambda: ReadByAlias(firstName="a"), "is written as `first` and read as `firstName`", "one `alias`"),  # type: ignore[call-arg]
    (Secretive, lambda: Secretive(password="a"), "is excluded from JSON", "plain values"),
    (datetime, lambda: MOMENT.astimezone(Summer()), "its time zone, a Summer, becomes a fixed", "zoneinfo.ZoneInfo"),
    (set[datetime], lambda: {MOMENT.astimezone(PARIS)}, "its time zone is lost inside a set", "pass it in a list"),
    (deque[int], lambda: deque([1], maxlen=3), "its maxlen or default_factory is lost", "plain values"),
    (Unwritable, lambda: Unwritable(number=1), "cannot be written as JSON", "plain values"),
    (Any, holding_itself, "is a list that cannot be written as JSON", "plain values"),
    (str, lambda: "\ud800", "is a str that cannot be written as JSON", "plain values"),
]


@pytest.mark.parametrize(("hint", "make", "what", "remedy"), REFUSED)
def test_refuses_with_what_it_is_and_a_remedy(hint: Any, make: Callable[[], Any], what: str, remedy: str) -> None:
    sentence = refusal(hint, make())
    assert sentence.startswith("tests.samples.calls:send: parameter `x` ")
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


@pytest.mark.parametrize("hint", [Any, Iterable[int], Iterator[int]])
def test_a_refused_iterator_is_still_whole(hint: Any) -> None:
    numbers = iter([1, 2, 3])
    refusal(hint, numbers)
    refusal(dict[str, Any], {"numbers": [numbers]})
    assert list(numbers) == [1, 2, 3]


def test_nobody_is_told_to_annotate_what_is_not_of_the_project() -> None:
    with pytest.raises(NotStorable, match=r"pass a list, or call it from a function of your own") as refused:
        Codec(textwrap.dedent).encode(({1},), {})
    assert "annotate it" not in str(refused.value)


def test_refusal_shows_no_value() -> None:
    assert "hunter2" not in refusal(int, "hunter2")
    assert "hunter2" not in refusal(SecretStr, SecretStr("hunter2"))


def test_refuses_more_than_a_mebibyte() -> None:
    Codec(taking(str)).encode(("x" * (LARGEST - 100),), {})
    with pytest.raises(NotStorable, match=r"2\.00 MiB of JSON.*pass its key or path"):
        Codec(taking(str)).encode(("x" * LARGEST * 2,), {})
    with pytest.raises(NotStorable, match=r"1\.01 MiB of JSON, more than the 1 MiB"):
        Codec(taking(str)).encode(("x" * LARGEST,), {})
    with pytest.raises(NotStorable, match="MiB of JSON"):
        Codec(taking(str)).encode(("ü" * (LARGEST - 100),), {})
