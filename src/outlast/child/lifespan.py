"""The app's lifespan, entered once in each child as one more web worker would (ASGI lifespan protocol)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from outlast.errors import OutlastError
from outlast.names import resolve
from outlast.text import MOST_REASON, clean, in_one_line

Start = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Runs a coroutine beside the one that asks for it."""


def entered_lifespan(app: Any, setting: str, start: Start) -> AbstractAsyncContextManager[None]:
    """The lifespan that `setting` asks for: `true` is the app's own, `false` none, else `module:context` of the app."""
    if setting == "false" or app is None:
        return _none()
    if setting == "true":
        return _of(app, start)
    context: AbstractAsyncContextManager[None] = resolve(setting)(app)
    return context


@asynccontextmanager
async def _none() -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def _of(app: Any, start: Start) -> AsyncIterator[None]:
    conversation = _Conversation()
    task = start(conversation.hold(app))
    await conversation.started.wait()
    if conversation.failure:
        raise OutlastError(f"the app's lifespan failed at start: {conversation.failure}")
    try:
        yield
    finally:
        conversation.asked_to_stop.set()
        await task


class _Conversation:
    """What a server says to an app at its start and its end, and what it hears."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.asked_to_stop = asyncio.Event()
        self.failure = ""
        self._said_startup = False

    async def hold(self, app: Any) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await app(scope, self._receive, self._send)
        except (SystemExit, KeyboardInterrupt) as error:  # of this conversation, not of the process
            if self.started.is_set():
                raise OutlastError(f"it ended with {error!r}") from error
            self.failure = repr(error)
        except Exception as error:
            if self.started.is_set() and not self.failure:
                raise
            # before any answer: an app that has no lifespan, as servers take it
            self.failure = self.failure or ("" if not self._said_startup else in_one_line(error))
        finally:
            self.started.set()

    async def _receive(self) -> dict[str, str]:
        if not self._said_startup:
            self._said_startup = True
            return {"type": "lifespan.startup"}
        await self.asked_to_stop.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "lifespan.startup.failed":
            self.failure = clean(message.get("message"), MOST_REASON).strip() or "it gave no reason"
        self.started.set()
