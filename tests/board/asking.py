"""Requests as a server hands them to an app, byte for byte: no client tidies their paths and headers before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

from starlette.types import ASGIApp, Message

HERE = ("127.0.0.1", 50_000)
SENT_FROM_HERE = {"sec-fetch-site": "same-origin"}


@dataclass(frozen=True)
class Answer:
    """headers: their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def page(self) -> Markup:
        """What stands in it, as a browser reads it."""
        markup = Markup()
        markup.feed(self.text)
        return markup


@dataclass
class Markup(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all_of(self, tag: str, **having: str) -> list[dict[str, str]]:
        """The attributes of all elements of this name that have these among them."""
        return [found for name, found in self.elements if name == tag and having.items() <= found.items()]


def ask(
    app: ASGIApp,
    at: str,
    method: str = "GET",
    *,
    headers: Mapping[str, str] | None = None,
    form: Iterable[tuple[str, str]] | bytes | None = None,
    **scope: Any,
) -> Answer:
    """One request. form: the fields of a form, or the body itself."""
    path, _, query = at.partition("?")
    body = form if isinstance(form, bytes) else urlencode(list(form or ())).encode()
    named = {"host": "localhost:8000", **(headers or {})}
    whole = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items()],
        "client": HERE,
        "server": ("127.0.0.1", 8000),
        **scope,
    }
    return asyncio.run(_asked(app, whole, body))


async def _asked(app: ASGIApp, scope: dict[str, Any], body: bytes) -> Answer:
    sent: list[Message] = []

    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = next(one for one in sent if one["type"] == "http.response.start")
    whole = b"".join(one.get("body", b"") for one in sent if one["type"] == "http.response.body")
    return Answer(start["status"], {name.decode(): value.decode("latin-1") for name, value in start["headers"]}, whole)


def post(app: ASGIApp, path: str, *fields: tuple[str, str], headers: Mapping[str, str] = SENT_FROM_HERE) -> Answer:
    """A form that is sent, by default as from a page of the dashboard."""
    return ask(app, path, "POST", headers=headers, form=fields)
