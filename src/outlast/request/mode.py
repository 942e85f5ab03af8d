"""How tasks are to run: as on a server, or in one of the ways that tests want."""

from __future__ import annotations

from dataclasses import replace
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
    """The mode of this process, else `inline` under Starlette's TestClient, else `real`."""
    return this.mode or (INLINE if _is_test_client(scope) else REAL)


def mode_here() -> Mode:
    """The same for code that may run in a request or outside of any."""
    box = open_box()
    return box.mode if box is not None else this.mode or REAL


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
