"""The signals that tell a runner to stop: counted, and heard at once also while it waits in its selector."""

from __future__ import annotations

import selectors
import signal
import socket


class StopSignals:
    """`count` is how many have come. Made in the main thread."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self.count = 0
        self._receiver, self._sender = socket.socketpair()
        for end in (self._receiver, self._sender):
            end.setblocking(False)
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        selector.register(self._receiver, selectors.EVENT_READ, self)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._came)

    def attend(self) -> None:
        """One has come."""
        self._receiver.recv(64)

    def give(self) -> None:
        """As if one had come, if none has yet."""
        self.count = max(1, self.count)

    def close(self) -> None:
        """Hear no more."""
        signal.set_wakeup_fd(-1)
        for end in (self._receiver, self._sender):
            end.close()

    def _came(self, _number: int, _frame: object) -> None:
        self.count += 1
