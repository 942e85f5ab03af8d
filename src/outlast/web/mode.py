"""Into which journal tasks go: as on a server, or in one of the ways that tests want."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from traceback import walk_stack

from starlette.types import Scope

from outlast.system.process import this
from outlast.web.current import open_observer
from outlast.web.journal import Collecting, Durable, Journal, Running
from outlast.web.pending import PendingTasks

MODES: Mapping[str, type[Journal]] = {"real": Durable, "inline": Running, "manual": Collecting}


def journal_of(scope: Scope) -> type[Journal]:
    """That of the mode of this process, else `inline` where a test calls the app, else the one that lasts."""
    if this.mode:
        return MODES[this.mode]
    return Running if _is_test_client(scope) or _is_called_by_test(scope) else Durable


def journal_here() -> type[Journal]:
    """The same for code that may run in a request or outside of any."""
    observer = open_observer()
    if isinstance(observer, PendingTasks):
        return type(observer.journal)
    if this.mode:
        return MODES[this.mode]
    if this.apps.serving and not this.role.is_child:
        return type(this.apps.serving[-1])
    is_tested = not this.role.is_child and "unittest.case" in sys.modules and _is_below(_TESTS)
    return Running if is_tested else Durable


def is_on_asyncio() -> bool:
    """Whether an event loop of asyncio's runs here, not one of trio's."""
    return asyncio._get_running_loop() is not None


def _is_test_client(scope: Scope) -> bool:
    """Only Starlette's TestClient has this extension; elsewhere it omits `asgi`, which servers must give."""
    if scope["type"] == "http":
        return "http.response.debug" in scope.get("extensions", ())
    return "asgi" not in scope


_TESTS = frozenset(
    {"unittest.case", "httpx._transports.asgi", "httpx2._transports.asgi", "async_asgi_testclient.testing"}
)


def _is_called_by_test(scope: Scope) -> bool:
    """Whether that is not a server: each but daphne tells its version of the protocol."""
    return "spec_version" not in scope.get("asgi", ()) and _is_below(_TESTS)


def _is_below(modules: frozenset[str]) -> bool:
    """Whether code of one of these has called what runs here."""
    return any(frame.f_globals.get("__name__") in modules for frame, _ in walk_stack(sys._getframe(1)))
