"""The runner's stderr, which never makes it wait.

It is the server's, most often a pipe, and whoever reads that may pause: a log shipper that hangs, ^S in a terminal.
The pipe cannot be made non-blocking, since that would hold for the server, too. So a thread does the waiting, lines
wait for it in a queue of a stated length, and what finds no room there is counted.
"""

from __future__ import annotations

import io
import os
import queue
import select
import threading
import time
from contextlib import suppress

from outlast.events import processes

MOST_WAITING = 500  # lines
FAREWELL = 0.5  # seconds for the last lines of a process that ends


class Output(io.TextIOBase):
    """A text stream to what descriptor 2 is, now and after each `move`."""

    def __init__(self) -> None:
        self._courier = Courier(_stderr())

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Have `text` written as soon as somebody reads. From any thread."""
        self._courier.take(text.encode(errors="backslashreplace"))
        return len(text)

    def move(self, output: int | str) -> bool:
        """Let this process's own stderr be that of the newest server; hold none when there is none. False: not now.

        The last one is held only as long as there is something to write to it.
        """
        try:
            descriptor = os.open(output, os.O_WRONLY) if isinstance(output, str) else output
        except OSError:  # no descriptor is left
            return False
        os.dup2(descriptor, 2)
        if isinstance(output, str):
            os.close(descriptor)
        last, self._courier = self._courier, Courier(_stderr())
        last.leave()
        return True

    def finish(self) -> None:
        """Write what waits, if that does not take long."""
        self._courier.leave()
        self._courier.join(FAREWELL)


class Courier(threading.Thread):
    """Writes to one file, which it closes in the end."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(name="outlast-output", daemon=True)
        self._descriptor = descriptor
        self._waiting: queue.Queue[bytes] = queue.Queue(MOST_WAITING)
        self._leaves = False
        self._dropped = 0
        self._dropped_since = 0.0
        self.start()

    def take(self, data: bytes) -> None:
        """Write it later, or count it."""
        try:
            self._waiting.put_nowait(data)
        except queue.Full:
            self._dropped_since = self._dropped_since or time.time()
            self._dropped += 1

    def leave(self) -> None:
        """End once all is written."""
        self._leaves = True
        with suppress(queue.Full):
            self._waiting.put_nowait(b"")

    def run(self) -> None:
        """Until it may leave."""
        while not (self._leaves and self._waiting.empty()):
            self._write(self._waiting.get())
            if self._dropped and self._waiting.empty():
                self._tell_of_dropped()
        os.close(self._descriptor)

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # somebody has made the server's stderr non-blocking
                select.select([], [self._descriptor], [])
            except OSError:  # nobody is left to read, or the disk is full: not worth dying for
                return

    def _tell_of_dropped(self) -> None:
        dropped, since = self._dropped, self._dropped_since
        self._dropped, self._dropped_since = 0, 0.0
        processes.LinesDropped(dropped, since).tell()


def _stderr() -> int:
    """A descriptor of its own; of nothing where this process was started without one."""
    try:
        return os.dup(2)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)
