"""Stop a task that blocks the event loop: raise an exception in it, on top of the very call that blocks.

Python runs signal handlers in the main thread, where the loop is, between two instructions or when a signal has ended
a C call. Raised at a wrong moment the exception would wreck the loop for everybody (measured: a task that never
ends), so it is raised only in user code of exactly the attempt that is meant.
"""

from __future__ import annotations

import signal
import socket
from types import FrameType

from outlast.tasks.attempt import Stopped, running_attempt
from outlast.wire import interrupts


class Interrupter:
    """Obeys the interrupts that come through a socket. Made in the main thread."""

    def __init__(self, inbox: socket.socket) -> None:
        self._inbox = inbox
        self._interrupted: set[interrupts.Token] = set()
        signal.signal(interrupts.SIGNAL, self._interrupt)

    def _interrupt(self, _number: int, frame: FrameType | None) -> None:
        """Each attempt is interrupted once, and whenever it has taken too much memory.

        The runner repeats an order that came at a wrong moment.
        """
        wanted = interrupts.taken(self._inbox) - self._interrupted
        attempt = running_attempt.get()
        if attempt is None or attempt.over or frame is None or not _is_in_user_code(frame):
            return
        if attempt.over_limit:
            attempt.over_limit = False
            raise MemoryError
        token = (attempt.task_id, attempt.number)
        if token in wanted:
            self._interrupted.add(token)
            attempt.stopping = True
            raise Stopped("it was stopped while it blocked the event loop")


def _is_in_user_code(frame: FrameType) -> bool:
    """Whether the innermost frame is neither the loop's nor ours; a library that user code has called is.

    What nests blocks may be ours, and blocks nothing itself.
    """
    return not f"{frame.f_globals.get('__name__', '')}.".startswith(("asyncio.", "outlast.", "contextlib."))
