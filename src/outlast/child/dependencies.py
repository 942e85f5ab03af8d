"""What a `def` depends on, opened and closed on the event loop while it runs in a thread: as FastAPI does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import Context, copy_context
from typing import Any

from outlast.child.run import Run
from outlast.child.shared_loop import SharedLoop
from outlast.functions.dependencies import Call


class Holder:
    """Holds open what one attempt depends on, in one asyncio task: who enters a cancel scope has to leave it."""

    def __init__(self, loop: SharedLoop, run: Run, resolved: AbstractAsyncContextManager[Call]) -> None:
        self._loop = loop
        self._run = run
        self._resolved = resolved
        self._over: asyncio.Future[BaseException | None] | None = None
        self._opened: Future[tuple[Call, Context]] = Future()
        self._closed: Future[BaseException | None] = Future()

    def call(self, function: Callable[..., Any]) -> Any:
        """Call it once all is open, with what its dependencies have set in their context; returns when all is closed.

        Blocks, in the thread of the attempt. Raises what they raise, what the function raises, and CancelledError if
        the attempt is stopped while they open.
        """
        self._loop.call_soon_threadsafe(self._begin, copy_context())
        (args, kwargs), context = self._opened.result()
        with self._closing():
            return context.run(function, *args, **kwargs)

    @contextmanager
    def _closing(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._close(error)
            raise
        self._close(None)

    def _close(self, error: BaseException | None) -> None:
        """Raises what comes out of it, if that is not `error` itself."""
        self._loop.call_soon_threadsafe(self._end, error)
        raised = self._closed.result()
        if raised is not None and raised is not error:
            raise raised

    def _begin(self, context: Context) -> None:
        self._run.opening = self._loop.guarded(self._hold(), self._run.given.attempt, context)
        self._run.opening.add_done_callback(lambda _: self._tell(asyncio.CancelledError()))
        if self._run.given.attempt.stopping:
            self._run.opening.cancel()

    def _end(self, error: BaseException | None) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(error)

    async def _hold(self) -> None:
        try:
            async with self._resolved as call:
                self._run.opening, self._over = None, self._loop.create_future()
                self._opened.set_result((call, copy_context()))
                _pass_on(await self._over)
        except BaseException as error:  # noqa: BLE001 - the thread gets it
            self._tell(error)
        else:
            self._tell(None)

    def _tell(self, raised: BaseException | None) -> None:
        """To whoever waits for it, once."""
        if not self._opened.done():
            self._opened.set_exception(raised or asyncio.CancelledError())
        elif not self._closed.done():
            self._closed.set_result(raised)


def _pass_on(error: BaseException | None) -> None:
    if error is not None:
        raise error
