"""What a coroutine waits for, one frame in the other, also where an asynchronous generator lies between."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType

from outlast.text import is_a

DEEPEST = 50  # steps from one to the next
_BETWEEN = ("async_generator_asend", "async_generator_athrow", "anext_awaitable", "coroutine_wrapper", "FutureIter")
"""Types of C that lie between two of them, and have no name for what they hold."""


def frames_awaited(waiting: object) -> Iterator[FrameType]:
    """The frames of a coroutine and of those that it waits for, outermost first; none of what is over."""
    for _ in range(DEEPEST):
        frame, waiting = _step(waiting)
        if frame is not None:
            yield frame


def _step(waiting: object) -> tuple[FrameType | None, object]:
    """The frame of what waits, and what it waits for."""
    if is_a(waiting, CoroutineType):
        return waiting.cr_frame, waiting.cr_await
    if is_a(waiting, GeneratorType):
        return waiting.gi_frame, waiting.gi_yieldfrom
    if is_a(waiting, AsyncGeneratorType):
        return waiting.ag_frame, waiting.ag_await
    if is_a(waiting, asyncio.Task):
        return None, waiting.get_coro()
    return None, _held(waiting) if type(waiting).__name__ in _BETWEEN else None


def _held(between: object) -> object:
    kinds = (CoroutineType, AsyncGeneratorType, asyncio.Task)
    return next((one for one in gc.get_referents(between) if is_a(one, kinds)), None)
