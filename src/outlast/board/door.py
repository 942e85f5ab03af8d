"""The door of the dashboard, around all of it: who comes in, what may be changed from where, and the headers.

It looks at whole requests, never at the beginning of a path: how that looks depends on where the dashboard is mounted.
"""

from __future__ import annotations

from collections import deque

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outlast.board.guard import Gate
from outlast.events import board as words

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind} 'self'" for kind in ("script-src", "style-src", "img-src", "connect-src", "form-action")),
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with `no-referrer` a browser would not say which site a form was sent from
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}


class Door:
    """`app` with a gate before it. Only HTTP: a WebSocket is closed, a lifespan is nobody's here."""

    def __init__(self, app: ASGIApp, gate: Gate, *, is_read_only: bool) -> None:
        self._app = app
        self._gate = gate
        self._is_read_only = is_read_only

    @property
    def is_closed(self) -> bool:
        """Whether nobody can come in."""
        return self._gate.is_closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _turned_away(scope, receive, send)
            return
        body = Replayed(receive)
        request = Request(scope, body.read)
        refusal = await self._gate.refusal(request)
        if refusal is not None and not isinstance(refusal, PlainTextResponse):
            await refusal(scope, body.read_again, send)  # the guard's own, such as a page to log in
            return
        answer: ASGIApp = refusal or self._refused_change(request) or self._app
        await answer(scope, body.read_again, protected(send))

    def _refused_change(self, request: Request) -> Response | None:
        if request.method in SAFE_METHODS:
            return None
        if not comes_from_here(request):
            return PlainTextResponse(words.NOT_FROM_HERE, 403)
        return PlainTextResponse(words.READ_ONLY, 403) if self._is_read_only else None


class Replayed:
    """A request's body for two: what a guard has read of it is there again for what comes behind it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._heard: deque[Message] = deque()

    async def read(self) -> Message:
        """For the first."""
        message = await self._receive()
        self._heard.append(message)
        return message

    async def read_again(self) -> Message:
        """For the second, once the first has ended."""
        return self._heard.popleft() if self._heard else await self._receive()


def comes_from_here(request: Request) -> bool:
    """Whether a browser says that a page of this very site has sent a request; False if it says nothing.

    Sec-Fetch-Site is there where the connection can be trusted, Origin with every form that is sent.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "").lower().partition("://")[2]
    return bool(origin) and origin == request.headers.get("host", "").lower()


def protected(send: Send) -> Send:
    """Answers have the headers of the dashboard, whatever they have beside them."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending


async def _turned_away(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
