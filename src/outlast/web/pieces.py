"""Much work on an event loop that others need as well: a little at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import anyio

AT_ONCE = 0.004  # seconds
T = TypeVar("T")
Made = TypeVar("Made")


async def in_pieces(step: Callable[[T], Made], items: Iterable[T]) -> list[Made]:
    """What `step` makes of each item, in order. Whatever else waits for the loop has its turn in between."""
    made: list[Made] = []
    until = time.monotonic() + AT_ONCE
    for item in items:
        made.append(step(item))
        if time.monotonic() >= until:
            await anyio.sleep(0)
            until = time.monotonic() + AT_ONCE
    return made
