"""One attempt: find the function, read its arguments, run it, say how it ended."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from outlast import events
from outlast.attempt import Attempt, running_attempt
from outlast.child.code import FoundFunctions
from outlast.child.memory import limited_memory
from outlast.child.outbox import Outbox
from outlast.names import left_undone

LONGEST_TRACEBACK = 16_384  # characters


Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the runner handed over. `memory` is how many bytes it may take."""

    attempt: Attempt
    arguments: str
    lane: str
    memory: int | None

    @classmethod
    def read(cls, task: list[Any]) -> Assignment:
        """From the runner's message: [id, attempt, function, arguments, lane, memory]."""
        number, attempt, function, arguments, lane, memory = task
        return cls(Attempt(number, attempt, function), arguments, lane, memory)

    @property
    def id(self) -> int:
        """The task's."""
        return self.attempt.task


async def run_in_loop(given: Assignment, functions: FoundFunctions, outbox: Outbox) -> None:
    """Run an `async def` to its end, on the child's loop."""
    running_attempt.set(given.attempt)
    try:
        function, args, kwargs = _prepared(given, functions)
        with limited_memory(given.memory):
            await function(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - each end of user code is reported, also SystemExit
        given.attempt.over = True
        outbox.ended(given.id, *_told(error, given.memory))
        if isinstance(error, asyncio.CancelledError) and (task := asyncio.current_task()):
            task.uncancel()
    else:
        given.attempt.over = True
        outbox.ended(given.id)


def run_in_thread(given: Assignment, functions: FoundFunctions, outbox: Outbox) -> None:
    """Run a `def` to its end, in a thread of the pool."""
    running_attempt.set(given.attempt)
    try:
        function, args, kwargs = _prepared(given, functions)
        with limited_memory(given.memory):
            _refuse_undone(function(*args, **kwargs), function)
    except BaseException as error:  # noqa: BLE001 - each end of user code is reported, also SystemExit
        outbox.ended(given.id, *_told(error, given.memory))
    else:
        outbox.ended(given.id)


def _refuse_undone(result: object, function: Callable[..., Any]) -> None:
    """A `def` that only made a coroutine or a generator has done nothing of what was asked."""
    if inspect.iscoroutine(result):
        result.close()
    if inspect.iscoroutine(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise TypeError(left_undone(function, result))


def _prepared(given: Assignment, functions: FoundFunctions) -> Call:
    function, codec = functions.find(given.attempt.function)
    args, kwargs = codec.decode(given.arguments)
    return function, args, kwargs


def _told(error: BaseException, memory: int | None) -> tuple[str, str]:
    """One line and the traceback from the user's own frame on."""
    ours = 1  # the frame of run_in_loop or run_in_thread
    lines = traceback.format_exception(type(error), error, _without(error, ours))
    said = events.out_of_memory(memory) if memory and isinstance(error, MemoryError) else str(error)
    return f"{type(error).__name__}: {said}".rstrip(": "), "".join(lines)[-LONGEST_TRACEBACK:]


def _without(error: BaseException, frames: int) -> Any:
    found = error.__traceback__
    while found is not None and frames:
        found, frames = found.tb_next, frames - 1
    return found or error.__traceback__
