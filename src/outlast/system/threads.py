"""Threads of outlast's own: each is supervised, so that none ends without a word and none stays ended.

What a thread did not foresee is logged with its stack, once for each kind; then its work begins again, after a pause.
Its work has to keep what it has in hand where it finds it again.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from outlast.events import hindrances
from outlast.text import in_one_line

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

FIRST_PAUSE = 0.05  # seconds until what has failed is tried again; each further pause is twice as long
LONGEST_PAUSE = 5.0
TRY_AGAIN = 1.0  # seconds until the system is asked again for a thread
MOST_KINDS = 100  # of errors that are told apart


class BackOff:
    """The pauses between tries: short at first, longer each time."""

    def __init__(self, first: float = FIRST_PAUSE, longest: float = LONGEST_PAUSE) -> None:
        self._first = self._next = first
        self._longest = longest

    def next(self) -> float:
        """Seconds to wait before the next try."""
        pause, self._next = self._next, min(self._longest, self._next * 2)
        return pause

    def reset(self) -> None:
        """It has worked: the next pause is short again."""
        self._next = self._first


class Complaints:
    """What `who` did not foresee: each kind is logged once with its stack, then its count, at 10, 100, 1000 times."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._times: Counter[tuple[str, str, int]] = Counter()

    def say(self, error: BaseException, then: str) -> None:
        """It has met `error`; `then` is what it does about that."""
        kind = _kind_of(error)
        if len(self._times) >= MOST_KINDS and kind not in self._times:
            self._times.clear()
        self._times[kind] += 1
        times = self._times[kind]
        if str(times).strip("0") == "1":
            event = hindrances.NotForeseen(self._who, in_one_line(error), then, times)
            event.tell(error if times == 1 else None)


class OwnThread:
    """A daemon thread that does `work` until that returns.

    When `work` raises, it is done again after a pause; or, with `give_up`, that is called with the error in one line.
    """

    def __init__(self, name: str, work: Callable[[], None], give_up: Callable[[str], None] | None = None) -> None:
        self._name = name
        self._work = work
        self._give_up = give_up
        self._has_ended = False
        self._pauses = BackOff()
        self._complaints = Complaints(f"thread {name}")
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Raises RuntimeError when the system gives no thread, but calls `give_up` then, if there is one."""
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            if self._give_up is None:
                raise
            self._give_up(in_one_line(error))
        self._thread = thread

    @property
    def is_alive(self) -> bool:
        """Whether it was started and works on."""
        return self._thread is not None and self._thread.is_alive()

    def join(self, patience: float | None) -> None:
        """Wait until it has ended, at most `patience` seconds if given."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(patience)

    def _run(self) -> None:
        while not self._has_ended:
            try:
                self._try()
            except BaseException:  # noqa: BLE001 - what was raised could not even be told
                time.sleep(FIRST_PAUSE)

    def _try(self) -> None:
        began = time.monotonic()
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - nobody is above us who could do something about it
            if time.monotonic() - began > LONGEST_PAUSE:
                self._pauses.reset()
            self._fail(error)
        else:
            self._has_ended = True

    def _fail(self, error: BaseException) -> None:
        if self._give_up is not None:
            with suppress(Exception):  # a handler of the user's: whatever it raises, this process ends
                self._complaints.say(error, "this process ends, and what ran in it runs again")
            self._give_up(in_one_line(error))
        else:
            pause = self._pauses.next()
            self._complaints.say(error, "it keeps what it has in hand and goes on")
            time.sleep(pause)


def started(thread: OwnThread) -> str:
    """Start a thread; returns why none could be started, "" when it was."""
    try:
        thread.start()
    except RuntimeError as error:  # "can't start new thread": a limit of the user, the service or the container
        return in_one_line(error)
    return ""


def start_from(loop: AbstractEventLoop, thread: OwnThread) -> None:
    """Start a thread, now or as soon as the system gives one. On `loop`, which is not made to wait."""
    if started(thread):
        loop.call_later(TRY_AGAIN, start_from, loop, thread)


def _kind_of(error: BaseException) -> tuple[str, str, int]:
    """Its class and the line that raised it."""
    found = error.__traceback__
    while found is not None and found.tb_next is not None:
        found = found.tb_next
    return (type(error).__name__, found.tb_frame.f_code.co_filename, found.tb_lineno) if found else ("", "", 0)
