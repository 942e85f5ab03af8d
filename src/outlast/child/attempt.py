"""One attempt: find the function, read its arguments, run it, say how it ended."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from outlast.child.code import FoundFunctions
from outlast.child.outbox import Outbox

LONGEST_TRACEBACK = 16_384  # characters


Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the runner handed over."""

    id: int
    number: int
    function: str
    arguments: str
    lane: str


async def run_in_loop(attempt: Attempt, functions: FoundFunctions, outbox: Outbox) -> None:
    """Run an `async def` to its end, on the child's loop."""
    try:
        function, args, kwargs = _prepared(attempt, functions)
        await function(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - each end of user code is reported, also SystemExit
        outbox.ended(attempt.id, *_told(error))
        if isinstance(error, asyncio.CancelledError) and (task := asyncio.current_task()):
            task.uncancel()
    else:
        outbox.ended(attempt.id)


def run_in_thread(attempt: Attempt, functions: FoundFunctions, outbox: Outbox) -> None:
    """Run a `def` to its end, in a thread of the pool."""
    try:
        function, args, kwargs = _prepared(attempt, functions)
        _refuse_awaitable(function(*args, **kwargs))
    except BaseException as error:  # noqa: BLE001 - each end of user code is reported, also SystemExit
        outbox.ended(attempt.id, *_told(error))
    else:
        outbox.ended(attempt.id)


def _refuse_awaitable(result: object) -> None:
    """A `def` that only made a coroutine has done nothing of what was asked."""
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError("it is a plain function that returned a coroutine, which nobody awaits: make it `async def`")


def _prepared(attempt: Attempt, functions: FoundFunctions) -> Call:
    function, codec = functions.find(attempt.function)
    args, kwargs = codec.decode(attempt.arguments)
    return function, args, kwargs


def _told(error: BaseException) -> tuple[str, str]:
    """One line and the traceback from the user's own frame on."""
    ours = 1  # the frame of run_in_loop or run_in_thread
    lines = traceback.format_exception(type(error), error, _without(error, ours))
    return f"{type(error).__name__}: {error}".rstrip(": "), "".join(lines)[-LONGEST_TRACEBACK:]


def _without(error: BaseException, frames: int) -> Any:
    found = error.__traceback__
    while found is not None and frames:
        found, frames = found.tb_next, frames - 1
    return found or error.__traceback__
