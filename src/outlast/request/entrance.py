"""Where the doorway stands: right inside of the app's outermost middleware, the one that answers what nobody caught."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.middleware.errors import ServerErrorMiddleware

from outlast.functions import is_async
from outlast.request.current import open_box
from outlast.request.doorway import Doorway, HttpCall

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from outlast.request.box import Box
    from outlast.request.store import Store


def with_doorway(stack: ASGIApp, outlast: Store, router: ASGIApp) -> ServerErrorMiddleware:
    """What `build_middleware_stack` returned, with a doorway in it, and of the same type.

    Instrumentors look for that type, take it apart and build another one of its `app` and its `handler`: so the doorway
    is in the one, and hears of what the other answers. Who is around the `router` finds a stage in its place.
    """
    outermost = stack if type(stack) is ServerErrorMiddleware else ServerErrorMiddleware(stack)  # somebody else's whole
    outermost.app = doorway = Doorway(outermost.app, outlast)
    for layer in _layers(outermost):
        if isinstance(layer, ServerErrorMiddleware) and layer.handler and not isinstance(layer.handler, Handler):
            layer.handler = Handler(layer.handler, doorway)  # type: ignore[assignment]  # it may give any ASGI app
        if getattr(layer, "app", None) is router:
            layer.app = Stage(router)
    return outermost


def _layers(app: Any) -> Iterator[Any]:
    """An app and what it has in it, from outside."""
    while app is not None:
        yield app
        app = None if isinstance(app, Stage) else getattr(app, "app", None)


class Stage:
    """Around the router, where responses begin that have tasks: there Starlette would run them, and not in the context
    of a middleware that has put the app into an asyncio task of its own, as those of `@app.middleware("http")` do."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        box = open_box()
        if box is None or scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def seen(message: Message) -> None:
            if message["type"] == "http.response.start":
                box.leave()
            await send(message)

        await self.app(scope, receive, seen)


class Handler:
    """The app's own handler of errors, whose response may have background tasks, too."""

    def __init__(self, handler: Callable[..., Any], doorway: Doorway) -> None:
        self._handler = handler
        self._doorway = doorway

    async def __call__(self, request: Request, error: Exception) -> Answer:
        box = self._doorway.box(request.scope)
        with box.open():
            return Answer(await self._ask(request, error), box)

    async def _ask(self, request: Request, error: Exception) -> ASGIApp:
        response: ASGIApp
        if is_async(self._handler):
            response = await self._handler(request, error)
        else:
            response = await run_in_threadpool(self._handler, request, error)
        return response


class Answer:
    """A response that goes out through a doorway of its own: the error has left the other one."""

    def __init__(self, response: ASGIApp, box: Box) -> None:
        self.response = response
        self._box = box

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await HttpCall(self._box, receive, send).run(self.response, scope)
