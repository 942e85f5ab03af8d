"""Calls an ASGI app as a server does."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message

from outlast.settings.settings import Settings
from tests.web.recording import Outcome, Recorded, RecordingStore, install


class Served:
    """An app with a recording store, called in this process."""

    def __init__(self, app: Any, **settings: Any) -> None:
        self.events: list[dict[str, Any]] = []
        self.store = RecordingStore(self.events.append, Settings(**settings))
        install(app, self.store)
        self.app: ASGIApp = Recorded(app, self.events.append)
        self.sent: list[Message] = []

    def get(self, path: str, **scope: Any) -> Outcome:
        """The outcome of one request by a client that stays."""
        self.sent.clear()

        async def send(message: Message) -> None:
            self.sent.append(message)

        return self._run(self.app(_http(path, **scope), _stays, send))

    def get_and_leave(self, path: str, spec_version: str) -> Outcome:
        """By a client that goes away when it has the first piece of the body.

        Servers of version 2.4 raise from `send`; older ones only say so to whoever reads.
        """
        has_some, raises = asyncio.Event(), spec_version >= "2.4"
        self.sent.clear()

        async def receive() -> Message:
            await has_some.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if has_some.is_set() and raises:
                raise OSError("the client is gone")
            self.sent.append(message)
            if message["type"] == "http.response.body":
                has_some.set()
                await asyncio.sleep(0)

        scope = _http(path, asgi={"version": "3.0", "spec_version": spec_version})
        return self._run(self.app(scope, receive, send))

    def cancel(self, path: str) -> Outcome:
        """By a server that cancels the call when the body has begun."""
        scope = _http(path, asgi={"version": "3.0", "spec_version": "2.4"})
        self.sent.clear()

        async def call() -> None:
            begun = asyncio.Event()

            async def send(message: Message) -> None:
                self.sent.append(message)
                if message["type"] == "http.response.body":
                    begun.set()

            task = asyncio.ensure_future(self.app(scope, _stays, send))
            await begun.wait()
            task.cancel()
            await task

        return self._run(call())

    def websocket(self, path: str, *received: Message) -> Outcome:
        """A WebSocket in which the client sends these messages, then is gone."""
        messages = iter([{"type": "websocket.connect"}, *received, {"type": "websocket.disconnect", "code": 1000}])
        self.sent.clear()

        async def receive() -> Message:
            return next(messages)

        async def send(message: Message) -> None:
            self.sent.append(message)

        scope = {**_http(path), "type": "websocket", "scheme": "ws", "subprotocols": []}
        return self._run(self.app(scope, receive, send))

    @property
    def body(self) -> bytes:
        """What the client has got."""
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def headers(self) -> dict[str, str]:
        """What the client has got before that."""
        (start,) = [message for message in self.sent if message["type"] == "http.response.start"]
        return {name.decode(): value.decode() for name, value in start["headers"]}

    def _run(self, call: Any) -> Outcome:
        self.events.clear()
        try:
            asyncio.run(asyncio.wait_for(call, 20))
        except (Exception, asyncio.CancelledError):  # noqa: BLE001  # what leaves the app is among the events
            assert self.events[-1]["raised"]
        return Outcome.of(self.events)


async def _stays() -> Message:
    await asyncio.sleep(60)
    return {"type": "http.disconnect"}


def _http(path: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"q=1",
        "headers": [],
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        **more,
    }
