"""`outlast.dashboard(app)`: an ASGI app of its own, to be mounted anywhere, or served alone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import cached_property, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from outlast.board import actions
from outlast.board.assets import asset
from outlast.board.door import Door
from outlast.board.forms import Form, read_form
from outlast.board.guard import Gate, Guard
from outlast.board.links import Links
from outlast.board.pages.failures import failures
from outlast.board.pages.overview import overview
from outlast.board.pages.processes import incident, incidents, processes
from outlast.board.pages.queues import change_queue, queues
from outlast.board.pages.schedules import change_schedule, schedules
from outlast.board.pages.system import system
from outlast.board.pages.tasks import task, tasks
from outlast.board.source import Opened, Source
from outlast.board.visit import Page, Visit
from outlast.board.whole import WholePath
from outlast.errors import (
    ExtraMissing,
    IncidentNotFound,
    JournalMissing,
    NotInstalled,
    NotRepeatable,
    OutlastError,
    SettingsError,
    TaskNotFound,
)
from outlast.events import board as words
from outlast.journal.location import place_of
from outlast.settings.settings import Settings
from outlast.web.installed import InstalledApp

if TYPE_CHECKING:
    from outlast.board.rendering import Renderer

MOST_BODY = 1 << 20  # bytes of a form
_PATH = re.compile(r"(/[^/?#{}]+)+/?")
PAGES: tuple[tuple[str, Callable[[Visit], Page]], ...] = (
    ("/", overview),
    ("/tasks", tasks),
    ("/tasks/{task}", task),
    ("/failures", failures),
    ("/workers", processes),
    ("/incidents", incidents),
    ("/incidents/{number}", incident),
    ("/queues", queues),
    ("/schedules", schedules),
    ("/system", system),
)
Change = Callable[[Form, Visit], str]
"""Does what a form wants; returns where to go on."""

CHANGES: tuple[tuple[str, Change], ...] = (
    ("/change", actions.change),
    ("/repeat", actions.repeat),
    ("/queues/change", change_queue),
    ("/schedules/change", change_schedule),
)


def dashboard(app: Starlette, /, *, guard: Guard | None = None, read_only: bool = False) -> ASGIApp:
    """The dashboard of an app that has outlast: an ASGI app to be mounted anywhere, also in another app.

    guard: called with each request, returns True to let it in; `def` or `async def`. It may return a response instead,
        or raise HTTPException. Without one the dashboard opens only to a browser on this machine while `app.debug`.
    read_only: nothing can be changed there.

    Raises NotInstalled for an app without outlast, ExtraMissing without jinja2 (`pip install "outlast[dashboard]"`).
    """
    installed = getattr(getattr(app, "state", None), "outlast", None)
    if not isinstance(installed, InstalledApp):
        raise NotInstalled("this app has no outlast: call outlast.install(app) before outlast.dashboard(app)")
    return board(lambda: installed.settings, Gate(guard, lambda: app.debug), is_read_only=read_only)


def mount(app: Starlette, path: str, guard: Guard | None) -> None:
    """Give an app its dashboard at a path, before all routes that it has, of which one may be for any path.

    Raises SettingsError for what is no path below the app's root.
    """
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise SettingsError(f"the dashboard's path is {path!r:.100}, but it has to be one such as '/outlast'")
    at = path.rstrip("/")
    pages = Mount(at, dashboard(app, guard=guard))
    app.router.routes[:0] = [Route(at, _with_slash, include_in_schema=False), pages]


async def _with_slash(request: Request) -> Response:
    """To where its pages are, relative to what the browser has asked for: only that knows what a proxy takes away.

    Starlette leads there, too, but not where a route for all paths takes that one.
    """
    name, query = request.scope["path"].rpartition("/")[2], request.scope["query_string"].decode("latin-1")
    return RedirectResponse(f"./{quote(name)}/{query and f'?{query}'}")


def board(settings: Callable[[], Settings], gate: Gate, *, is_read_only: bool) -> ASGIApp:
    """The dashboard of the journal of `settings`, which are asked for at each look. It needs no lifespan.

    Raises ExtraMissing without jinja2.
    """
    if find_spec("jinja2") is None:
        raise ExtraMissing(words.NEEDS_JINJA)
    pages = Board(settings, is_read_only=is_read_only)
    routes = [
        *(Route(path, partial(pages.look, page), methods=["GET"]) for path, page in PAGES),
        Route("/confirm", partial(pages.ask, actions.confirm), methods=["POST"]),
        *(Route(path, partial(pages.change, change), methods=["POST"]) for path, change in CHANGES),
        Route("/assets/{name}", asset, methods=["GET"]),
    ]
    inside = Starlette(routes=routes, exception_handlers={HTTPException: _plain})
    inside.router.redirect_slashes = False  # it would repeat the host that the request names
    return Door(WholePath(inside), gate, is_read_only=is_read_only)


class Board:
    """Answers for one journal. What reads is done in threads: an event loop waits for nothing of it."""

    def __init__(self, settings: Callable[[], Settings], *, is_read_only: bool) -> None:
        self._settings = settings
        self._source = Source(settings)
        self._is_read_only = is_read_only

    @cached_property
    def _renderer(self) -> Renderer:
        """Made at the first look: task processes, which import the app, too, do not pay for templates."""
        from outlast.board.rendering import Renderer

        return Renderer(is_read_only=self._is_read_only)

    def look(self, page: Callable[[Visit], Page], request: Request) -> Response:
        """One of the pages. In a thread."""
        return self._renderer.answer(self._made(page, request), _links(request), request)

    async def ask(self, question: Callable[[Form, Visit], Page], request: Request) -> Response:
        """A page that asks whether what a form wants is to be done."""
        form = await _form(request)
        return await run_in_threadpool(self.look, partial(question, form), request)

    async def change(self, change: Change, request: Request) -> Response:
        """Does it, and leads to a page that shows so."""
        form = await _form(request)
        return await run_in_threadpool(self._change, partial(change, form), request)

    def _change(self, change: Callable[[Visit], str], request: Request) -> Response:
        try:
            with self._source.opened() as opened:
                return RedirectResponse(change(self._visit(opened, request)), 303)
        except OutlastError as error:
            return self._renderer.answer(_failed(error), _links(request), request)

    def _made(self, page: Callable[[Visit], Page], request: Request) -> Page:
        try:
            with self._source.opened() as opened:
                return page(self._visit(opened, request))
        except OutlastError as error:
            return _failed(error)

    def _visit(self, opened: Opened, request: Request) -> Visit:
        settings = self._settings()
        return Visit(
            _links(request),
            settings,
            place_of(settings),
            opened.history,
            opened.survey,
            time.time(),
            request.query_params,
            request.path_params,
        )


def _links(request: Request) -> Links:
    return Links.below(request.scope.get("root_path", ""), request.query_params.get("pace", ""))


def _failed(error: OutlastError) -> Page:
    """What a page is instead, when it cannot be had."""
    if isinstance(error, JournalMissing):
        return Page("nothing.html", "No journal yet", {"said": words.NO_JOURNAL})
    if isinstance(error, NotRepeatable):
        return Page("nothing.html", "Not run as a new task", {"said": words.not_repeated(str(error))}, status=409)
    is_unknown = isinstance(error, TaskNotFound | IncidentNotFound)
    title, status = ("Not found", 404) if is_unknown else ("Not now", 503)
    return Page("nothing.html", title, {"said": str(error)}, status=status)


async def _form(request: Request) -> Form:
    try:
        return read_form(await _body(request))
    except ValueError:
        raise HTTPException(413, words.TOO_LARGE) from None


async def _body(request: Request) -> bytes:
    """Raises ValueError when it is too large."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY:
            raise ValueError("too large")
    return body


async def _plain(_request: Request, error: Exception) -> Response:
    """What is no page is answered in plain text: what was asked for stands nowhere in it."""
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    return PlainTextResponse(_PLAIN.get(status, str(getattr(error, "detail", ""))), status, headers)


_PLAIN = {404: words.NO_SUCH_PAGE}
