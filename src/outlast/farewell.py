"""A script that has asked for tasks and ends: somebody takes them over, or it says that nobody does."""

from __future__ import annotations

import atexit
import logging
import os
import time
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path

from outlast import waits
from outlast.connection import Connection
from outlast.engines.history import History
from outlast.errors import JournalUnusable
from outlast.program import unguarded_line
from outlast.tasks import State, shown

log = logging.getLogger("outlast")
HANDOVER = 10.0  # seconds that the runner it has started may take to begin its tasks
EXTERNAL = 1.5  # seconds in which a worker answers that is there
LINGERING = 2.0  # seconds that a runner may take that was there: it may stay for this script only, or have much to do
MOST = 1000  # tasks that are asked for: the last ones begin last
STEP = 0.05  # seconds between two looks


class Farewell:
    """Does nothing in a server, which has a runner as long as it lives, nor in a forked child."""

    def __init__(self, path: Path, connection: Connection, runner: str, is_server: Callable[[], bool]) -> None:
        self._path = path
        self._connection = connection
        self._patience = {"auto": HANDOVER, "external": EXTERNAL}.get(runner, 0.0)
        self._is_server = is_server
        self._tasks: deque[str] = deque(maxlen=MOST)
        self._process = 0

    def remember(self, task: int) -> None:
        """This process has stored a task outside of a request."""
        self._tasks.append(shown(task))
        if self._process != os.getpid():
            self._process = os.getpid()
            unguarded_line()  # nobody can tell any more at the end
            say = weakref.WeakMethod(self._say)
            atexit.register(lambda: (method := say()) and method())

    def _say(self) -> None:
        """At the end of the process."""
        if self._process != os.getpid() or self._is_server():
            return
        try:
            if (left := self._left()) and not self._connection.is_of_others:
                log.warning("%s", waits.nobody_runs_them(left, self._path))
        except JournalUnusable:  # it is gone, as that of a test
            return
        self._connection.close()

    def _left(self) -> int:
        """How many of its tasks nobody has begun when this may be waited for no longer, or there is no need to."""
        began, history = time.monotonic(), History(self._path)
        while (left := _waiting(history, self._tasks)) and not self._is_looked_after(history):
            if time.monotonic() - began >= (LINGERING if self._connection.is_of_others else self._patience):
                break
            time.sleep(STEP)
        return left

    def _is_looked_after(self, history: History) -> bool:
        """Whether there is a runner, and a server for which it stays."""
        webs = [one for one in history.summary(time.time()).processes if one.kind == "web" and one.pid != os.getpid()]
        return bool(webs) and self._connection.is_of_others


def _waiting(history: History, tasks: deque[str]) -> int:
    return sum(record.state == State.WAITING.label for record in history.tasks_of(tasks).values())
