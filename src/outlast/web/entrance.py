"""Where the doorway stands: right inside of the app's outermost middleware, the one that answers what nobody caught."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.responses import PlainTextResponse

from outlast.errors import QueueFull
from outlast.functions.functions import is_async
from outlast.text import MOST_NAME, in_one_line, one_line
from outlast.web.current import open_observer, told
from outlast.web.middleware import FULL, Doorway, HttpCall, in_seconds

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection, Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from outlast.web.installed import InstalledApp
    from outlast.web.pending import PendingTasks

_SORRY = b"Background tasks cannot be stored or looked up at the moment. Try again later.\n"


def with_doorway(stack: ASGIApp, installed: InstalledApp, router: ASGIApp) -> ServerErrorMiddleware:
    """What `build_middleware_stack` returned, with a doorway in it, and of the same type.

    Instrumentors look for that type, take it apart and build another one of its `app` and its `handler`: so the doorway
    is in the one, and hears of what the other answers. Who is around the `router` finds a stage in its place.
    """
    outermost = stack if type(stack) is ServerErrorMiddleware else ServerErrorMiddleware(stack)  # somebody else's whole
    outermost.app = doorway = Doorway(outermost.app, installed)
    for layer in _layers(outermost):
        if isinstance(layer, ServerErrorMiddleware) and layer.handler and not isinstance(layer.handler, Handler):
            layer.handler = Handler(layer.handler, doorway)  # type: ignore[assignment]  # it may give any ASGI app
        if getattr(layer, "app", None) is router:
            layer.app = Stage(router)
    return outermost


def _layers(app: Any) -> Iterator[Any]:
    """An app and what it has in it, from outside to the stage."""
    while app is not None and not isinstance(app, Stage):
        yield app
        app = getattr(app, "app", None)


class Stage:
    """Around the router, where responses begin that have tasks: there Starlette would run them, and not in the context
    of a middleware that has put the app into an asyncio task of its own, as those of `@app.middleware("http")` do."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        observer = open_observer()
        if observer is None or scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def seen(message: Message) -> None:
            if message["type"] == "http.response.start":
                observer.leave()
            await send(message)

        await self.app(scope, receive, seen)


class Refusal:
    """Answers an endpoint that does not catch it when the journal does not take its task, or cannot be asked: 429 for a
    queue that is full, else 503. None of the tasks runs that wait for this answer."""

    def __init__(self, installed: InstalledApp) -> None:
        self._installed = installed

    async def __call__(self, request: HTTPConnection, error: Exception) -> PlainTextResponse:
        if request.scope["type"] != "http":
            raise error  # what is said in a WebSocket is no response
        if observer := open_observer():
            observer.refused = True
        if isinstance(error, QueueFull):
            return PlainTextResponse(FULL, 429, {"Retry-After": in_seconds(error.retry_after)})
        origin = one_line(f"{request.scope['method']} {request.scope['path']}", MOST_NAME)
        self._installed.warnings.complain(f"{origin} is answered 503: {in_one_line(error)}")
        return PlainTextResponse(_SORRY, 503, {"Retry-After": in_seconds(self._installed.settings.store_deadline)})


class Handler:
    """The app's own handler of errors, whose response may have background tasks, too."""

    def __init__(self, handler: Callable[..., Any], doorway: Doorway) -> None:
        self._handler = handler
        self._doorway = doorway

    async def __call__(self, request: Request, error: Exception) -> Answer:
        pending = self._doorway.pending(request.scope)
        with told(pending):
            return Answer(await self._ask(request, error), pending)

    async def _ask(self, request: Request, error: Exception) -> ASGIApp:
        response: ASGIApp
        if is_async(self._handler):
            response = await self._handler(request, error)
        else:
            response = await run_in_threadpool(self._handler, request, error)
        return response


class Answer:
    """A response that goes out through a doorway of its own: the error has left the other one."""

    def __init__(self, response: ASGIApp, pending: PendingTasks) -> None:
        self.response = response
        self._pending = pending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await HttpCall(self._pending, receive, send).run(self.response, scope)
