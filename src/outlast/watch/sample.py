"""What a thread does right now: the user's frame in its stack, and the request or task that it works for."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from itertools import takewhile
from types import CodeType

from outlast.system.whose import is_hosts, is_users
from outlast.watch.flights import InFlight
from outlast.watch.site import Site, shown_file
from outlast.watch.stacks import FrameSnapshot, Stack, stack_of, stacks_but

Identify = Callable[[Context], InFlight | None]
"""Whose code runs in a context."""

_BEAT = "outlast.watch.beat"


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at an event loop.

    step: what it runs, to be compared by identity; None when it waits. above: the frames of that step. flight: the
    request or task whose code that is. others: the stacks of other threads, if they were looked at.
    """

    step: object
    stack: Stack
    above: Stack
    flight: InFlight | None
    others: Sequence[Stack] = ()

    @property
    def site(self) -> Site | None:
        """The code to blame."""
        return site_of(self.above) or _site_of_callback(self.step)

    @property
    def place(self) -> tuple[CodeType, int] | None:
        """The line to blame, to be compared with that of another look; None where no Python runs."""
        blamed = _blamed_in(self.above)
        return (blamed.code, blamed.line) if blamed is not None else None


class LoopView:
    """How to look at the event loop that runs in the calling thread. Made in one of its coroutines.

    What is below that coroutine on the stack is below every other step of the loop, too. `identify` tells whose code
    runs in a context.
    """

    def __init__(self, identify: Identify) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._identify = identify
        self._below = [one.code for one in takewhile(_is_plain, stack_of(self._thread))]

    def sample(self, *, with_others: bool = False) -> Sample:
        """What the loop does now. Lets nobody else run before it has seen it."""
        stack = stack_of(self._thread)
        others = stacks_but({self._thread, threading.get_ident()}) if with_others else ()
        return self._read(stack, _task_of(self._loop), others)

    @property
    def is_running(self) -> bool:
        """Whether the loop has not come to its end."""
        return self._loop.is_running()

    def _read(self, stack: Stack, task: asyncio.Task[object] | None, others: Sequence[Stack]) -> Sample:
        above = self._above(stack)
        if any(one.module == _BEAT for one in above):  # it is silent no more, and says so at this very moment
            return Sample(None, stack, [], None, others)
        handle = next((one.handle for one in reversed(stack) if one.handle is not None), None)
        step = handle or task or (above[0].frame if above else None)
        return Sample(step, stack, above, flight_in(above) or _flight_by_context(handle, task, self._identify), others)

    def _above(self, stack: Stack) -> Stack:
        """What a step of the loop has called: empty when the loop waits. uvloop's own frames are not Python's."""
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1].code, zip(self._below, stack, strict=False)))
        above = stack[shared:]
        return [] if above and above[0].module == "selectors" else above


def _is_plain(stood: FrameSnapshot) -> bool:
    return not stood.code.co_flags & (CO_COROUTINE | CO_GENERATOR | CO_ASYNC_GENERATOR)


def flight_in(stack: Stack) -> InFlight | None:
    """The innermost mark."""
    return next((one.flight for one in reversed(stack) if one.flight is not None), None)


def only_busy(stacks: Sequence[Stack]) -> Stack | None:
    """The one stack that is in user code; None if there is none, or several."""
    busy = [stack for stack in stacks if any(_is_users(one) for one in stack)]
    return busy[0] if len(busy) == 1 else None


def site_of(stack: Stack) -> Site | None:
    """The user's innermost frame, else the innermost that is no server's."""
    blamed = _blamed_in(stack)
    if blamed is None:
        return None
    return Site(blamed.code.co_qualname, shown_file(blamed.code.co_filename), blamed.line, blamed.call)


def _blamed_in(stack: Stack) -> FrameSnapshot | None:
    inward = list(reversed(stack))
    chosen = next(filter(_is_users, inward), None) or next((one for one in inward if not is_hosts(one.module)), None)
    return chosen or next(iter(inward), None)


def _is_users(stood: FrameSnapshot) -> bool:
    return is_users(stood.code.co_filename)


def _site_of_callback(step: object) -> Site | None:
    """Of a callback in C, which has no frame: `loop.call_soon(time.sleep, 15)`."""
    callback = getattr(step, "_callback", None)
    name = getattr(callback, "__qualname__", "")
    module = getattr(callback, "__module__", "") or ""
    return Site(f"{module}.{name}".strip("."), "a callback of the event loop", 0) if name else None


def _task_of(loop: asyncio.AbstractEventLoop) -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task(loop)
    except RuntimeError:
        return None


def _flight_by_context(
    handle: asyncio.Handle | None, task: asyncio.Task[object] | None, identify: Identify
) -> InFlight | None:
    """For a task or callback that the request's or task's code has made: it has taken over its context."""
    context = getattr(handle, "_context", None)
    if context is None and task is not None and sys.version_info >= (3, 12):
        context = task.get_context()
    return identify(context) if isinstance(context, Context) else None
