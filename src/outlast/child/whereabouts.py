"""Where a task process stands while it imports the app, or enters its lifespan: the runner is told until that is over.

One that never comes to its end keeps tasks waiting, and only this process can see what it waits for.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from outlast.child.outbox import Outbox
from outlast.child.shared_loop import GuardedTask
from outlast.system.threads import OwnThread, started
from outlast.watch.awaits import frames_awaited
from outlast.watch.sample import site_of
from outlast.watch.site import Site
from outlast.watch.stacks import Stack, stack_of, stood

EVERY = 1.0  # seconds between two looks


@contextmanager
def told_where(outbox: Outbox) -> Iterator[None]:
    """Tell the runner every second where this thread, and the event loop that runs in it, stands meanwhile."""
    loop, thread, is_over = asyncio.get_running_loop(), threading.get_ident(), threading.Event()

    def tell() -> None:
        while not is_over.wait(EVERY):
            site = where(loop, thread)
            if site is not None and not is_over.is_set():
                outbox.send({"type": "stands", "at": f"{site}{site.call and f' at `{site.call}`'}"})

    started(OwnThread("outlast-whereabouts", tell))  # without one it is not told where, and nothing else is missed
    try:
        yield
    finally:
        is_over.set()


def where(loop: asyncio.AbstractEventLoop, thread: int) -> Site | None:
    """The user's innermost code that runs; while the loop waits, that which waits."""
    stack = stack_of(thread)
    return site_of(_awaited(loop) if _is_waiting(stack) else stack)


def _is_waiting(stack: Stack) -> bool:
    """Whether the event loop itself waits for something to happen, and not what a step of it has called."""
    inward = [one.module for one in reversed(stack)]
    return next((one for one in inward if one != "selectors"), "") == "asyncio.base_events"


def _awaited(loop: asyncio.AbstractEventLoop) -> Stack:
    own = (one for one in asyncio.all_tasks(loop) if isinstance(one, GuardedTask))
    return [stood(frame) for task in own for frame in frames_awaited(task.get_coro())]
