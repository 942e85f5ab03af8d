"""The context in which FastAPI alone would run a task, as near to it as it can be seen from here.

Starlette calls the tasks of a response where its route runs, after the response: they see what middlewares, `async`
dependencies and an `async def` endpoint have set by then, and nothing that a `def` endpoint has set in its thread.
"""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop of asyncio's runs in this thread
        return None


@dataclass(frozen=True, slots=True)
class Scene:
    """A context as it was at one moment, and the asyncio task whose it is; None in a thread, which has a copy."""

    context: Context = field(default_factory=copy_context)
    task: asyncio.Task[Any] | None = field(default_factory=_current_task)

    def after(self, before: Scene | None) -> Scene:
        """Of two scenes in which something was seen, that which counts: a thread's only where there is no other."""
        return before if before is not None and self.task is None else self
