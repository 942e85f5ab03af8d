"""Tells the app's callbacks how tasks have ended, in a thread of its own: from the journal, once it is there."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from outlast.child.outbox import Outbox
from outlast.errors import JournalUnusable, StoreFailed
from outlast.events import endings
from outlast.journal.engines import open_journal
from outlast.journal.location import url_at
from outlast.system.place import Place
from outlast.system.process import this
from outlast.system.threads import OwnThread
from outlast.tasks.callbacks import Callback, TaskEnd, callbacks_for, wanted_states
from outlast.tasks.task import State
from outlast.text import MOST_NAME, name_of_class, one_line

POLL = 1.0  # seconds between looks for ends that others have seen
SOON = 0.05  # seconds between looks for one that this process has seen
MOST_SEEN = 1000  # ends of which the exception is kept until the journal has them
SEEN_FOR = 10.0  # seconds until one counts as an end that was none: its task runs again
FAREWELL = 3.0  # seconds in which a process that leaves tells of what it has seen


@dataclass(frozen=True, slots=True)
class Seen:
    """An end in this process, when (monotonic), and what was raised."""

    at: float
    error: BaseException | None


class Teller:
    """Of the journal at `path`, in the task process with the id (row) `process`."""

    def __init__(self, path: Path, process_id: int, *, is_shared: bool) -> None:
        self._journal = open_journal(url_at(Place.of(path)), is_shared=is_shared)
        self._process = process_id
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seen: dict[int, Seen] = {}
        self._lock = threading.Lock()
        self._has_news = threading.Event()
        self._is_leaving = False
        self._thread = OwnThread("outlast-ends", self._run)

    def begin(self, outbox: Outbox, *, is_expected: bool) -> None:
        """Tell from now on, if anybody wants to be told; `outbox` hears of ends first. On the event loop.

        is_expected: in the web worker somebody wants to.
        """
        self._loop = asyncio.get_running_loop()
        if wanted_states():
            outbox.saw = self.saw
            self._thread.start()
        elif is_expected:
            endings.CallbacksMissing().tell()

    def saw(self, task_id: int, error: BaseException | None = None) -> None:
        """A task has ended in this process, as it seems for good. From any thread."""
        if (State.FAILED if error else State.DONE) not in wanted_states():
            return
        with self._lock:
            if len(self._seen) < MOST_SEEN:
                self._seen[task_id] = Seen(time.monotonic(), error)
        self._has_news.set()

    async def finish(self) -> None:
        """Tell what this process has seen, if that does not take long; the rest is left to the next one."""
        self._is_leaving = True
        self._has_news.set()
        deadline = time.monotonic() + FAREWELL
        while self._thread.is_alive and time.monotonic() < deadline:
            await asyncio.sleep(SOON / 5)

    def _run(self) -> None:
        self._listen()
        while not self._is_leaving or self._seen:
            self._look()
            self._forget_old()
            self._has_news.wait(SOON if self._seen else POLL)
            if not (self._seen or self._is_leaving):
                self._has_news.clear()
        self._journal.close()

    def _listen(self) -> None:
        """From now on ends are noted, if no web worker has seen to that; tried until the journal takes it."""
        while not self._is_leaving:
            with suppress(StoreFailed, JournalUnusable), self._journal.transaction():  # said by whoever writes tasks
                self._journal.ends.listen(wanted_states())
                return
            time.sleep(POLL)

    def _look(self) -> None:
        try:
            if not self._journal.ends.has_untold:
                return
            with self._journal.transaction():
                ends, given_up = self._journal.ends.take(self._process, [*self._seen], this.role.home.app)
            for one in given_up:
                endings.EndNotTold(*_about(one)).tell()
            for one in ends:
                self._tell(one)
        except (StoreFailed, JournalUnusable):  # as above
            return

    def _forget_old(self) -> None:
        with self._lock:
            before = time.monotonic() - SEEN_FOR
            self._seen = {task: one for task, one in self._seen.items() if one.at > before}

    def _tell(self, end: TaskEnd) -> None:
        with self._lock:
            seen = self._seen.pop(end.number, None)
        for callback in callbacks_for(end):
            self._call(callback, replace(end, exception=seen.error) if seen else end)
        with self._journal.transaction():
            self._journal.ends.strike([end.number])

    def _call(self, callback: Callback, end: TaskEnd) -> None:
        try:
            result = callback(end)
            if inspect.isawaitable(result) and self._loop is not None:
                asyncio.run_coroutine_threadsafe(_awaited(result), self._loop).result()
        except BaseException as error:  # noqa: BLE001 - the user's code: whatever it raises changes nothing
            name = getattr(callback, "__qualname__", None) or name_of_class(type(callback))
            endings.CallbackFailed(*_about(end), one_line(name, MOST_NAME)).tell(error)


async def _awaited(work: Any) -> None:
    await work


def _about(end: TaskEnd) -> endings.About:
    return endings.about(end.number, end.function, end.attempt, end.lane, end.queue)
