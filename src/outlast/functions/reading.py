"""A thread that looks into the project's source, so that no event loop waits for a file or a parser."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

from outlast.events.hindrances import ProjectNotRead

Function = Callable[..., Any]
Question = tuple[Function, "Future[None]"]

WORK = 0.0005  # seconds between pauses
PAUSE = 0.0001  # seconds; the system makes it a little longer


class Reading:
    """Answers what it is asked, and reads ahead in between, in a thread that is there while there is work.

    `look(function)` has to remember what it finds. `ahead()` does a little of the work in each step that is taken.
    """

    def __init__(self, look: Callable[[Function], object], ahead: Callable[[], Iterator[None]]) -> None:
        self._look = look
        self._ahead = ahead
        self._begin_anew()

    def _begin_anew(self) -> None:
        """As in a forked child: the thread stays with the parent, and a lock that it had would stay locked."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._has_thread = False
        self._has_begun = False
        self._steps: Iterator[None] | None = None  # of reading ahead, while there are any
        self._questions: deque[Question] = deque()

    def begin(self) -> None:
        """Read ahead, once in each process."""
        self._forget_parent()
        if not self._has_begun:
            self._has_begun, self._steps = True, self._ahead()
            self._make_sure_of_thread()

    def ask(self, function: Function) -> Future[None]:
        """Have it look at `function`; done when it has."""
        self._forget_parent()
        question: Question = function, Future()
        self._questions.append(question)
        self._make_sure_of_thread()
        return question[1]

    def _forget_parent(self) -> None:
        if self._process != os.getpid():
            self._begin_anew()

    def _make_sure_of_thread(self) -> None:
        with self._lock:
            if self._has_thread:
                return
            self._has_thread = True
        try:
            threading.Thread(target=self._run, name="outlast-reading", daemon=True).start()
        except RuntimeError:  # no more threads may be started here: who asks has to wait, and nothing is read ahead
            self._steps = None
            self._run()

    def _run(self) -> None:
        while self._has_work():
            while self._questions:
                self._answer(*self._questions.popleft())
            self._step()

    def _has_work(self) -> bool:
        with self._lock:
            self._has_thread = bool(self._questions) or self._steps is not None
            return self._has_thread

    def _step(self) -> None:
        try:
            if self._steps is not None:
                next(self._steps)
        except StopIteration:
            self._steps = None
        except BaseException as error:  # noqa: BLE001 - each function is looked at when it is added, then
            ProjectNotRead().tell(error)
            self._steps = None

    def _answer(self, function: Function, future: Future[None]) -> None:
        if not future.set_running_or_notify_cancel():  # its request was given up
            return
        try:
            self._look(function)
        except BaseException as error:  # noqa: BLE001 - it is raised where it was asked, and this thread goes on
            future.set_exception(error)
        else:
            future.set_result(None)


class Courtesy:
    """Called between small pieces of work: lets other threads have the interpreter, unless somebody waits for this one.

    A thread that wants the interpreter's lock waits 5 ms before it asks for it, and begins to wait anew whenever the
    lock was let go and taken again, as by each read of a small file. Who pauses delays nobody by that.
    """

    def __init__(self) -> None:
        self._rested_at = 0.0

    def __call__(self) -> None:
        if time.perf_counter() - self._rested_at < WORK or _has_callers():
            return
        time.sleep(PAUSE)
        self._rested_at = time.perf_counter()


def _has_callers() -> bool:
    """Whether others wait for this thread: it is the main one, or has an event loop."""
    return threading.current_thread() is threading.main_thread() or asyncio._get_running_loop() is not None
