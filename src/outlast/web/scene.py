"""The context in which FastAPI alone would run a task, as near to it as it can be seen from here.

Starlette calls the tasks of a response where its route runs, after the response: they see what middlewares, `async`
dependencies and an `async def` endpoint have set by then, and nothing that a `def` endpoint has set in its thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

_NOTHING = object()


def current_task() -> asyncio.Task[Any] | None:
    """The one that runs here; None in a thread, and where no event loop of asyncio's runs."""
    loop = asyncio._get_running_loop()
    return asyncio.current_task(loop) if loop is not None else None


@dataclass(slots=True, eq=False)
class Scene:
    """A context as it was at one moment, and the asyncio task whose it is; None in a thread, which has a copy."""

    context: Context = field(default_factory=copy_context)
    task: asyncio.Task[Any] | None = field(default_factory=current_task)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """A block that sees what was set in it, wherever it runs."""
        others = [(one, value) for one, value in self.context.items() if one.get(_NOTHING) is not value]
        tokens = [(one, one.set(value)) for one, value in others]
        try:
            yield
        finally:
            for one, token in tokens:
                one.reset(token)

    def after(self, before: Scene | None) -> Scene:
        """Of two scenes in which something was seen, that which counts: a thread's only where there is no other."""
        return before if before is not None and self.task is None else self
