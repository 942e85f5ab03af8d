"""What a child tells the runner, sent by a thread of its own so that a blocked loop still reports."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable

from outlast.frames import Message, packed

GATHER = 0.001  # seconds in which ends gather: one wake-up of a thread per end costs more than the task (measured)
Report = tuple[int, str, str]
"""The end of an attempt: task id, reason ("" when it returned), traceback."""


class Outbox:
    """Messages go in order; ends that wait together leave as one message.

    expects_more: whether other attempts run here, so that more ends may come in a moment.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self.expects_more: Callable[[], bool] = lambda: True
        self._queue: queue.SimpleQueue[Message | Report | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="outlast-outbox", daemon=True)
        self._thread.start()

    def send(self, message: Message) -> None:
        """Send a message, from any thread."""
        self._queue.put(message)

    def ended(self, task: int, reason: str = "", traceback: str = "") -> None:
        """Report the end of an attempt, from any thread."""
        self._queue.put((task, reason, traceback))

    def cut(self, task: int, why: str) -> None:
        """Report an attempt that has ended for no reason of its own, and for `why`: it has to run again."""
        self.send({"type": "cut", "task": task, "why": why})

    def close(self) -> None:
        """Send what waits. The channel ends with this process: to the runner, one that hangs up earlier is lost."""
        self._queue.put(None)
        self._thread.join()
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
    return [*messages, {"type": "ended", "tasks": reports}] if reports else messages
