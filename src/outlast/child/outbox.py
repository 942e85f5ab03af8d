"""What a child tells the runner, sent by a thread of its own so that a blocked loop still reports."""

from __future__ import annotations

import queue
import socket
import time
from collections.abc import Callable, Iterator

from outlast.child.milestones import Milestones
from outlast.system.threads import OwnThread
from outlast.tasks.outcome import Cut, Raised, Returned, Unknown, Wished
from outlast.tasks.pipeline import Ending
from outlast.wire.frames import PIECE, Message, packed

GATHER = 0.001  # seconds in which ends gather: one wake-up of a thread per end costs more than the task (measured)
MOST_BYTES = 6  # that a character becomes in a message, as an escape of JSON
MOST_SIGNS = 1000  # messages that wait for a runner that does not read; signs of life are left out then
SIGNS = ("alive", "blocked", "wake")  # said again, or found out without
_LOOK_AGAIN: Message = {}
Report = tuple[int, str, str, tuple[str, ...], *tuple[str | None, ...]]
"""The end of an attempt: task id, reason ("" when it returned), traceback, and the names of what it raised.

If it returned more than None, that as JSON, and why it is not kept.
"""


def _nobody(_: int, __: BaseException | None) -> None:
    return


class Outbox:
    """Messages go in order; ends that wait together leave as one message.

    milestones: how far attempts have come: it goes now and then, and in any case before the attempt's end.
    saw: hears of each end besides, with what was raised. expects_more: whether other attempts run here, so that more
    ends may come in a moment.

    `give_up(why)` ends this process, whose tasks would end without a word.
    """

    def __init__(self, channel: socket.socket, give_up: Callable[[str], None]) -> None:
        self._channel = channel
        self.expects_more: Callable[[], bool] = lambda: True
        self.saw: Callable[[int, BaseException | None], None] = _nobody
        self._queue: queue.SimpleQueue[Message | Report | None] = queue.SimpleQueue()
        self.milestones = Milestones(lambda: self._queue.put(_LOOK_AGAIN))
        self._thread = OwnThread("outlast-outbox", self._run, lambda error: give_up(f"its outbox failed: {error}"))
        self._thread.start()

    def send(self, message: Message) -> None:
        """Send a message, from any thread."""
        if message["type"] not in SIGNS or self._queue.qsize() < MOST_SIGNS:
            self._queue.put(message)

    def report(self, task_id: int, ending: Ending) -> None:
        """Report the end of an attempt, from any thread."""
        for milestone in self.milestones.take_of(task_id):
            self.send(milestone)
        match ending:
            case Returned(None, ""):
                self._queue.put((task_id, "", "", ()))
            case Returned(result, lost):
                self._queue.put((task_id, "", "", (), result, lost))
            case Raised(reason, traceback, kinds):
                self._queue.put((task_id, reason, traceback, kinds))
            case Wished(wish, reason, after, traceback):
                what = {"wish": wish, "reason": reason, "after": after, "traceback": traceback}
                self.send({"type": "wished", "task": task_id, **what})
            case Cut(why):  # for no reason of its own: it has to run again
                self.send({"type": "cut", "task": task_id, "why": why})
            case Unknown(why, traceback):
                self.send({"type": "unknown", "task": task_id, "why": why, "traceback": traceback})

    def told(self, task_id: int) -> None:
        """The log has it how that one has failed. From any thread."""
        self.send({"type": "told", "task": task_id})

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
        messages: list[Message] = []
        reports: list[Report] = []
        try:
            item = self._queue.get(timeout=self.milestones.due_in)
            if item is not None and self.expects_more():
                time.sleep(GATHER)
            while item is not None:
                if isinstance(item, tuple):
                    reports.append(item)
                elif item is not _LOOK_AGAIN:
                    messages.append(item)
                item = self._queue.get_nowait()
        except queue.Empty:
            is_last = False
        else:
            is_last = True
        if is_last or self.milestones.due_in == 0:
            messages += self.milestones.take()
        return _with(messages, reports), is_last


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
        size += MOST_BYTES * sum(len(text or "") for text in (*report[1:3], *report[4:]))
    if part:
        yield part
