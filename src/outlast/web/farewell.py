"""A script that has asked for tasks and ends: somebody takes them over, or it says that nobody does."""

from __future__ import annotations

import atexit
import os
import time
import weakref
from collections import deque
from collections.abc import Callable

from outlast.errors import JournalUnusable
from outlast.events import waits
from outlast.ids import shown
from outlast.journal.engines import open_history
from outlast.journal.read import History
from outlast.settings.settings import Settings
from outlast.system.forks import OfOneProcess
from outlast.system.process import this
from outlast.system.program import unguarded_line
from outlast.tasks.task import State
from outlast.web.connection import Connection

HANDOVER = 30.0  # seconds that the runner it has started may take to begin its tasks: it imports the app for them
EXTERNAL = 1.5  # seconds in which a worker answers that is there
LINGERING = 2.0  # seconds that a runner may take that was there: it may stay for this script only, or have much to do
MOST = 1000  # tasks that are asked for: the last ones begin last
STEP = 0.05  # seconds between two looks


class Farewell(OfOneProcess):
    """Does nothing in a server, which has a runner as long as it lives, nor in a forked child."""

    def __init__(self, settings: Settings, connection: Connection, is_server: Callable[[], bool]) -> None:
        self._url = settings.url
        self._connection = connection
        self._patience = {"auto": HANDOVER, "external": EXTERNAL}.get(settings.runner, 0.0)
        self._is_server = is_server
        self._tasks: deque[int] = deque(maxlen=MOST)
        self._process = 0  # in which the end will be seen
        this.forks.tell(self)

    def after_fork_in_child(self) -> None:
        """What it has asked for is the parent's. To compare process ids for each task would be a system call each."""
        self._tasks.clear()
        self._process = 0

    def remember(self, task_id: int) -> None:
        """This process has stored a task outside of a request."""
        self._tasks.append(task_id)
        if not self._process:
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
                waits.NobodyRunsThem(left, self._connection.place.journal).tell()
        except JournalUnusable:  # it is gone, as that of a test
            return
        self._connection.close()

    def _left(self) -> int:
        """How many of its tasks nobody has begun when this may be waited for no longer, or there is no need to."""
        began, history = time.monotonic(), open_history(self._url)
        while (left := _waiting(history, self._tasks)) and not self._is_looked_after(history):
            if time.monotonic() - began >= (LINGERING if self._connection.is_of_others else self._patience):
                break
            time.sleep(STEP)
        return left

    def _is_looked_after(self, history: History) -> bool:
        """Whether there is a runner, and a server for which it stays."""
        others = [one for one in history.summary(time.time()).processes if one.kind == "web" and one.pid != os.getpid()]
        return bool(others) and self._connection.is_of_others


def _waiting(history: History, tasks: deque[int]) -> int:
    found = history.tasks_of(map(shown, tasks)).values()
    return sum(record.state == State.WAITING.label for record in found)
