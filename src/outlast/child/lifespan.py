"""The app's lifespan, entered once in each child as one more web worker would (ASGI lifespan protocol)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from outlast.errors import OutlastError
from outlast.events.starts import NO_REASON
from outlast.functions.names import resolve
from outlast.text import MOST_TRACEBACK, clean

START_TIME = 1.0  # seconds for an app that has said that it cannot start to raise what it has met

Start = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Runs a coroutine beside the one that asks for it."""


class StartFailed(OutlastError):
    """An app has said that it cannot start, and has not raised why; its text is what it has said."""


def entered_lifespan(app: Any, setting: str, start: Start) -> AbstractAsyncContextManager[None]:
    """The lifespan that `setting` asks for: `true` is the app's own, `false` none, else `module:context` of the app.

    Entering it raises what the user's code raises, or StartFailed.
    """
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
    await conversation.is_answered.wait()
    if conversation.failure is not None:
        raise conversation.failure
    try:
        yield
    finally:
        conversation.asked_to_stop.set()
        await task


class _Conversation:
    """What a server says to an app at its start and its end, and what it hears.

    failure: why the app cannot start. One that raises before it has heard that it shall start has no lifespan, as
    servers take it.
    """

    def __init__(self) -> None:
        self.is_answered = asyncio.Event()
        self.asked_to_stop = asyncio.Event()
        self.failure: BaseException | None = None
        self._said_startup = False

    async def hold(self, app: Any) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await app(scope, self._receive, self._send)
        except (SystemExit, KeyboardInterrupt) as error:  # of this conversation, not of the process
            if self.is_answered.is_set():
                raise OutlastError(f"it ended with {error!r}") from error
            self.failure = error
        except Exception as error:
            if self.is_answered.is_set() and self.failure is None:
                raise
            self.failure = error if self._said_startup else None
        finally:
            self.is_answered.set()

    async def _receive(self) -> dict[str, str]:
        if not self._said_startup:
            self._said_startup = True
            return {"type": "lifespan.startup"}
        await self.asked_to_stop.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "lifespan.startup.failed":
            self.failure = StartFailed(clean(message.get("message"), MOST_TRACEBACK).strip() or NO_REASON)
            asyncio.get_running_loop().call_later(START_TIME, self.is_answered.set)  # most of them raise it, too
        else:
            self.is_answered.set()
