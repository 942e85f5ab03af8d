"""What a child tells the runner, sent by a thread of its own so that a blocked loop still reports."""

from __future__ import annotations

import queue
import socket
import time
from collections.abc import Callable, Iterator

from outlast.child.code import NotKnown
from outlast.frames import PIECE, Message, packed
from outlast.threads import OwnThread

GATHER = 0.001  # seconds in which ends gather: one wake-up of a thread per end costs more than the task (measured)
MOST_BYTES = 6  # that a character becomes in a message, as an escape of JSON
MOST_SIGNS = 1000  # messages that wait for a runner that does not read; signs of life are left out then
SIGNS = ("alive", "blocked", "wake")  # said again, or found out without
Report = tuple[int, str, str]
"""The end of an attempt: task id, reason ("" when it returned), traceback."""


def _nobody(_: int, __: BaseException | None) -> None:
    return


class Outbox:
    """Messages go in order; ends that wait together leave as one message.

    saw: hears of each end besides, with what was raised. expects_more: whether other attempts run here, so that more
    ends may come in a moment.

    `give_up(why)` ends this process, whose tasks would end without a word.
    """

    def __init__(self, channel: socket.socket, give_up: Callable[[str], None]) -> None:
        self._channel = channel
        self.expects_more: Callable[[], bool] = lambda: True
        self.saw: Callable[[int, BaseException | None], None] = _nobody
        self._queue: queue.SimpleQueue[Message | Report | None] = queue.SimpleQueue()
        self._thread = OwnThread("outlast-outbox", self._run, lambda error: give_up(f"its outbox failed: {error}"))
        self._thread.start()

    def send(self, message: Message) -> None:
        """Send a message, from any thread."""
        if message["type"] not in SIGNS or self._queue.qsize() < MOST_SIGNS:
            self._queue.put(message)

    def ended(self, task: int, reason: str = "", traceback: str = "") -> None:
        """Report the end of an attempt, from any thread."""
        self._queue.put((task, reason, traceback))

    def cut(self, task: int, why: str) -> None:
        """Report an attempt that has ended for no reason of its own, and for `why`: it has to run again."""
        self.send({"type": "cut", "task": task, "why": why})

    def unknown(self, task: int, error: NotKnown) -> None:
        """Report an attempt that has not begun: the code that is here does not know it."""
        self.send({"type": "unknown", "task": task, "why": str(error), "traceback": error.traceback})

    def close(self) -> None:
        """Send what waits. The channel ends with this process: to the runner, one that hangs up earlier is lost."""
        self._queue.put(None)
        self._thread.join(None)
        self._channel.detach()

    def _run(self) -> None:
        while True:
            messages, is_last = self._next()
            try:
                self._channel.sendall(b"".join(packed(message) for message in messages))
            except OSError:  # the runner is gone, and the kernel ends us with it
                return
            if is_last:
                return

    def _next(self) -> tuple[list[Message], bool]:
        """Everything that waits, ends gathered; blocks when there is nothing."""
        item = self._queue.get()
        if item is not None and self.expects_more():
            time.sleep(GATHER)
        messages: list[Message] = []
        reports: list[Report] = []
        try:
            while item is not None:
                if isinstance(item, tuple):
                    reports.append(item)
                else:
                    messages.append(item)
                item = self._queue.get_nowait()
        except queue.Empty:
            return _with(messages, reports), False
        return _with(messages, reports), True


def _with(messages: list[Message], reports: list[Report]) -> list[Message]:
    """Ends in few messages, none of them too large to be read."""
    return [*messages, *({"type": "ended", "tasks": part} for part in _parts(reports))]


def _parts(reports: list[Report]) -> Iterator[list[Report]]:
    part: list[Report] = []
    size = 0
    for report in reports:
        if size > PIECE:
            yield part
            part, size = [], 0
        part.append(report)
        size += MOST_BYTES * (len(report[1]) + len(report[2]))
    if part:
        yield part
