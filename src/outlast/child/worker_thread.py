"""A thread of ours that anyio takes for one of its own, as Starlette's pool has them."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext

from anyio._core import _eventloop


def reaching(loop: asyncio.AbstractEventLoop) -> AbstractContextManager[object]:
    """A block in which `anyio.from_thread.run` gets to `loop`.

    anyio has no public way to say so of a thread that it has not started. Its own threads could only be had from the
    loop, which a task may block, and a `def` has to begin all the same. Where this is missing, as in anyio 3, only
    tasks that call `from_thread` fail, with anyio's own words.
    """
    try:
        _eventloop.threadlocals.current_cancel_scope = None  # nothing cancels a thread of ours: it asks by itself
        return _eventloop.claim_worker_thread(_eventloop.get_async_backend("asyncio"), loop)
    except (AttributeError, TypeError):
        return nullcontext()
