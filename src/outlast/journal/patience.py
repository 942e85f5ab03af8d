"""How long those wait who have handed something in on an event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple
from weakref import WeakKeyDictionary

from outlast.journal.submissions import Submission

Expire = Callable[[Submission, float], None]


class _Waiting(NamedTuple):
    """deadline: how long it waits (s). until: by the clock of its loop."""

    submission: Submission
    deadline: float
    until: float

    @property
    def is_over(self) -> bool:
        """Whether it has its answer."""
        return self.submission.future is None or self.submission.future.done()


class Line:
    """Those of one event loop, mostly answered together: one timer for all, since each would ring in vain."""

    def __init__(self, expire: Expire) -> None:
        self._expire = expire
        self._waiting: deque[_Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def join(self, loop: asyncio.AbstractEventLoop, submission: Submission, deadline: float) -> None:
        """`expire(submission, deadline)` is called on `loop` when that is over and it has no answer."""
        until = loop.time() + deadline
        self._waiting.append(_Waiting(submission, deadline, until))
        if self._timer is None or until < self._timer.when():
            self._ring(loop, until)

    def leave(self) -> None:
        """Keep nothing of those who have their answer, nor of the loop when nobody waits there."""
        while self._waiting and self._waiting[0].is_over:
            self._waiting.popleft()
        if not self._waiting:
            self._ring_no_more()

    def _ring(self, loop: asyncio.AbstractEventLoop, until: float) -> None:
        self._ring_no_more()
        self._timer = loop.call_at(until, self._look, loop)

    def _ring_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting, now = [one for one in self._waiting if not one.is_over], loop.time()
        later = [one.until for one in waiting if one.until > now]
        if later:
            self._ring(loop, min(later))
        for one in waiting:
            if one.until <= now:
                self._expire(one.submission, one.deadline)
        self.leave()


class Patience:
    """The lines of all event loops of this process."""

    def __init__(self, expire: Expire) -> None:
        self._expire = expire
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, Line] = WeakKeyDictionary()

    def line_of(self, loop: asyncio.AbstractEventLoop) -> Line:
        """Where who waits on that loop stands."""
        line = self._lines.get(loop)
        if line is None:
            line = self._lines[loop] = Line(self._expire)
        return line
