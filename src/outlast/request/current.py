"""The one context variable: the box of the request, or WebSocket, that the running code belongs to."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outlast.request.box import Box

current_box: ContextVar[Box | None] = ContextVar("outlast_box", default=None)


def open_box() -> Box | None:
    """The box to put tasks into; None outside of an installed app's request, and when it is over."""
    box = current_box.get()
    return None if box is None or box.closed else box
