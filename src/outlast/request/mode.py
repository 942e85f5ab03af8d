"""How tasks are to run: as on a server, or in one of the ways that tests want."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from starlette.types import Scope

from outlast.process import Mode, this
from outlast.request.plan import Plan
from outlast.task import Lane

REAL: Final = "real"
INLINE: Final = "inline"
MANUAL: Final = "manual"


def mode_of(scope: Scope) -> Mode:
    """The mode of this process, else `inline` under Starlette's TestClient, else `real`."""
    return this.mode or (INLINE if _is_test_client(scope) else REAL)


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
