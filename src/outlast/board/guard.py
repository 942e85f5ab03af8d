"""Who may see the dashboard: whom the guard lets in; without one, who sits at this machine while `app.debug`."""

from __future__ import annotations

import inspect
import ipaddress
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from inspect import isawaitable
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from outlast.errors import SettingsError
from outlast.events import board as words
from outlast.events.event import Once
from outlast.functions.functions import is_async
from outlast.functions.names import shown
from outlast.text import MOST_NAME, one_line

Answer = bool | Response
Guard = Callable[[Request], Answer | Awaitable[Answer]]
"""Returns True to let a request in; False, or a Response (such as a redirect to a login), or raises HTTPException."""

_OF_PROXIES = ("forwarded", "x-forwarded-", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "via")
"""What headers begin with by which a proxy tells of the browser, or of itself."""

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class Gate:
    """Asks a guard. `is_open_here` tells whether who sits at this machine needs none."""

    def __init__(self, guard: Guard | None, is_open_here: Callable[[], bool]) -> None:
        """Raises SettingsError for a guard that cannot be called with a request alone."""
        if guard is not None and (why := _why_no_guard(guard)):
            raise SettingsError(words.no_guard(one_line(shown(guard), MOST_NAME), why))
        self._guard = guard
        self._is_open_here = is_open_here
        self._once = Once(20)

    @property
    def is_closed(self) -> bool:
        """Whether it lets nobody in at all."""
        return self._guard is None and not self._is_open_here()

    async def refusal(self, request: Request) -> Response | None:
        """What is answered in the place of the dashboard; None to who may see it."""
        if self._guard is None:
            return self._without_guard(request)
        try:
            answer = await _asked(self._guard, request)
        except HTTPException as error:
            return PlainTextResponse(_as_text(error.detail), error.status_code, error.headers)
        if isinstance(answer, Response):
            return answer
        if not isinstance(answer, bool):
            self._once.tell(words.GuardUnclear(one_line(repr(type(answer)), MOST_NAME)))
        return None if answer is True else PlainTextResponse(words.FORBIDDEN, 403)

    def _without_guard(self, request: Request) -> Response | None:
        if self._is_open_here() and is_at_this_machine(request):
            return None
        self._once.tell(words.DashboardClosed(one_line(request.scope.get("root_path", "") or "/", MOST_NAME)))
        return PlainTextResponse(words.NO_GUARD, 403)


def _as_text(detail: Any) -> str:
    """What an HTTPException says, which FastAPI lets be anything that JSON has."""
    return detail if isinstance(detail, str) else json.dumps(detail, default=str)


def _why_no_guard(guard: object) -> str:
    """Why it cannot be one; empty for one that can."""
    if not callable(guard):
        return words.NOT_CALLED
    try:
        signature = inspect.signature(guard)
        signature.bind(None)
    except TypeError:
        return words.NOT_WITH_A_REQUEST
    except ValueError:  # of something in C
        return ""
    hints: dict[str, Any] = {}
    with suppress(Exception):  # of names that lead nowhere
        hints = get_type_hints(guard, include_extras=True)
    parameters = signature.parameters.values()
    asking = (one.name for one in parameters if _is_fastapis(one, hints.get(one.name, one.annotation)))
    return next(map(words.depends, asking), "")


def _is_fastapis(parameter: inspect.Parameter, hint: Any) -> bool:
    """Whether FastAPI would fill it: `Depends`, `Header` and the like, which are no values that a guard may go by."""
    said = (parameter.default, *getattr(hint, "__metadata__", ()))
    return any(type(one).__module__ == "fastapi.params" for one in said)


async def _asked(guard: Guard, request: Request) -> Any:
    if is_async(guard):
        return await guard(request)  # type: ignore[misc]
    answer = await run_in_threadpool(guard, request)
    return await answer if isawaitable(answer) else answer


def is_at_this_machine(request: Request) -> bool:
    """Whether a request comes from here, under a name of here, and by no proxy.

    The name: another site can have its own name lead to this machine, and so have a browser here ask for it.
    """
    client = request.client.host if request.client else ""
    is_browsers = request.scope.get("http_version") != "1.0"  # which proxies speak that say nothing else of themselves
    has_come_straight = is_browsers and not any(name.startswith(_OF_PROXIES) for name in request.headers)
    return has_come_straight and is_loopback(client) and _name_in(request.headers.get("host", "")) in _HERE


def _name_in(host: str) -> str:
    """Without the port; empty for what is no host."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether an address is one of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
