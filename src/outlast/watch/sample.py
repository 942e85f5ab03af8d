"""What a thread does right now: the user's frame in its stack, and the request or task that it works for."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass

from outlast.watch.flights import InFlight
from outlast.watch.site import Site, is_users, shown_file
from outlast.watch.stacks import Stack, Stood, stack_of, stacks_but

Identify = Callable[[Context], InFlight | None]
"""Whose code runs in a context."""

_HOSTS = frozenset(
    {"asyncio", "uvicorn", "uvicorn_worker", "gunicorn", "starlette", "fastapi", "anyio", "uvloop", "outlast"}
    | {"threading", "concurrent", "selectors", "contextlib"}
)
_LOOPS = frozenset(
    {("asyncio.events", "_run"), ("asyncio.runners", "run")}
    | {("asyncio.base_events", name) for name in ("run_forever", "run_until_complete", "_run_once")}
)


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


def sample_of_loop(
    loop: asyncio.AbstractEventLoop, thread: int, identify: Identify, *, with_others: bool = False
) -> Sample:
    """What the event loop in `thread` does now. Lets nobody else run before it has seen it."""
    stack = stack_of(thread)
    others = stacks_but({thread, threading.get_ident()}) if with_others else ()
    task = _task_of(loop)
    above = _above_the_loop(stack)
    handle = next((one.handle for one in reversed(stack) if one.handle is not None), None)
    step = handle or task or (above[0].frame if above else None)
    flight = next((one.flight for one in reversed(above) if one.flight is not None), None)
    return Sample(step, stack, above, flight or _flight_by_context(handle, task, identify), others)


def only_busy(stacks: Sequence[Stack]) -> Stack | None:
    """The one stack that is in user code; None if there is none, or several."""
    busy = [stack for stack in stacks if any(_is_users(one) for one in stack)]
    return busy[0] if len(busy) == 1 else None


def site_of(stack: Stack) -> Site | None:
    """The user's innermost frame, else the innermost that is no server's."""
    inward = list(reversed(stack))
    chosen = next(filter(_is_users, inward), None) or next((one for one in inward if not _is_hosts(one)), None)
    chosen = chosen or next(iter(inward), None)
    if chosen is None:
        return None
    return Site(chosen.code.co_qualname, shown_file(chosen.code.co_filename), chosen.line, chosen.call)


def _is_users(stood: Stood) -> bool:
    return is_users(stood.code.co_filename)


def _is_hosts(stood: Stood) -> bool:
    return stood.module.partition(".")[0] in _HOSTS


def _above_the_loop(stack: Stack) -> Stack:
    """What a step of the loop has called: empty when the loop waits. uvloop's own frames are not Python's."""
    lowest = max((index for index, one in enumerate(stack) if (one.module, one.code.co_name) in _LOOPS), default=-1)
    above = stack[lowest + 1 :]
    waits = bool(above) and above[0].module == "selectors"
    return [] if waits or lowest < 0 else above


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
