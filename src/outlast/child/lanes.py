"""Where attempts run in a child: coroutines on the one event loop, plain functions in a pool of threads."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from outlast.child.attempt import Attempt, run_in_loop, run_in_thread
from outlast.child.code import FoundFunctions
from outlast.child.outbox import Outbox
from outlast.settings import Settings
from outlast.tasks import Lane


class Lanes:
    """`take` is called by the inbox's thread, `hand_back` by the watch's, the rest runs on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: Settings, outbox: Outbox) -> None:
        self._loop = loop
        self._outbox = outbox
        self._functions = FoundFunctions()
        self._threads = ThreadPoolExecutor(settings.thread_slots, thread_name_prefix="outlast-task")
        self._unstarted: dict[int, Attempt] = {}
        self._on_loop: dict[asyncio.Task[None], Attempt] = {}
        self._in_threads: set[int] = set()
        self.busy: Callable[[], None] = lambda: None

    @property
    def is_busy(self) -> bool:
        """Whether any attempt is here."""
        return bool(self._unstarted or self._on_loop or self._in_threads)

    def take(self, tasks: list[list[Any]]) -> None:
        """New attempts from the runner, each [id, attempt, function, arguments, lane]."""
        attempts = [Attempt(*task) for task in tasks]
        threaded = [one for one in attempts if one.lane == Lane.THREAD]
        for_loop = [one for one in attempts if one.lane != Lane.THREAD]
        self._in_threads.update(one.id for one in threaded)
        self._unstarted.update({one.id: one for one in for_loop})
        self.busy()
        for one in threaded:
            self._threads.submit(contextvars.Context().run, self._run_threaded, one)
        if for_loop:
            self._loop.call_soon_threadsafe(self._start, for_loop)

    def hand_back(self) -> list[int]:
        """Give up what the loop has not begun; it never will."""
        return [task_id for task_id in list(self._unstarted) if self._unstarted.pop(task_id, None)]

    def on_the_loop_now(self) -> tuple[str, str]:
        """Function and hash of its code of the attempt whose step the loop is in; empty when it is in none of ours."""
        task = asyncio.current_task(self._loop)
        attempt = self._on_loop.get(task) if task is not None else None
        return (attempt.function, self._functions.code_of(attempt.function)) if attempt else ("", "")

    async def empty(self) -> None:
        """Wait until nothing runs here."""
        while self.is_busy:
            await asyncio.sleep(0.02)

    def _start(self, attempts: list[Attempt]) -> None:
        for one in attempts:
            task = self._loop.create_task(self._run_on_loop(one), context=contextvars.Context())
            self._on_loop[task] = one
            task.add_done_callback(self._on_loop.pop)

    async def _run_on_loop(self, attempt: Attempt) -> None:
        if self._unstarted.pop(attempt.id, None) is not None:  # else: handed back while another one blocked the loop
            await run_in_loop(attempt, self._functions, self._outbox)

    def _run_threaded(self, attempt: Attempt) -> None:
        try:
            run_in_thread(attempt, self._functions, self._outbox)
        finally:
            self._in_threads.discard(attempt.id)
