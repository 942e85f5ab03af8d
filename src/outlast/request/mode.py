"""How tasks are to run: as on a server, or in one of the ways that tests want."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from types import FrameType
from typing import Final

from starlette.types import Scope

from outlast.process import Mode, this
from outlast.request.boxed import BoxedTask
from outlast.request.current import open_box
from outlast.request.plan import Plan
from outlast.tasks import Lane

REAL: Final = "real"
INLINE: Final = "inline"
MANUAL: Final = "manual"


def mode_of(scope: Scope) -> Mode:
    """The mode of this process, else `inline` where a test calls the app, else `real`."""
    return this.mode or (INLINE if _is_test_client(scope) or _is_called_by_test(scope) else REAL)


def mode_here() -> Mode:
    """The same for code that may run in a request or outside of any."""
    box = open_box()
    if box is not None:
        return box.mode
    if this.mode or this.is_child:
        return this.mode or REAL
    if this.serving:
        return this.serving[-1].mode
    return INLINE if "unittest.case" in sys.modules and _is_below(_TESTS) else REAL


def is_on_asyncio() -> bool:
    """Whether an event loop of asyncio's runs here, not one of trio's."""
    return asyncio._get_running_loop() is not None


async def rehearse(task: BoxedTask) -> None:
    """What `enqueue` does instead of storing a task in a test: run it, or keep it for the test."""
    if mode_here() == MANUAL:
        this.collected.append(task)
    else:
        await task.run()


def rehearse_blocking(task: BoxedTask) -> None:
    """The same for `enqueue_sync`."""
    if mode_here() == MANUAL:
        this.collected.append(task)
    else:
        task.run_blocking()


def in_mode(planned: Plan, mode: Mode) -> Plan:
    """Mode `inline` runs everything inline, `manual` nothing."""
    if mode == INLINE:
        return planned.inline("test mode inline")
    if mode == MANUAL and planned.is_inline:
        return replace(planned, lane=Lane.LOOP)
    return planned


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
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") not in modules:
        frame = frame.f_back
    return frame is not None
