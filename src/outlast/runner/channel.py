"""A stream of messages to and from another process that can never make the runner wait."""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Callable, Iterable, Sequence

from outlast.frames import Message, Unpacker, packed
from outlast.peers import peer_of
from outlast.text import in_one_line

PIECE = 1 << 18  # bytes read at once


class Channel:
    """One socket in the runner's selector. `received` gets each message, `ended` is called once when it is over.

    `descriptors` holds what was passed with the first bytes: a web worker's stdout and stderr. `fault` is why this side
    has hung up, empty if the other one has.
    """

    def __init__(
        self,
        connection: socket.socket,
        selector: selectors.BaseSelector,
        received: Callable[[Message], None],
        ended: Callable[[], None],
    ) -> None:
        self._socket = connection
        self._selector = selector
        self._received = received
        self._ended = ended
        self._unpacker = Unpacker()
        self._unsent = bytearray()
        self.descriptors: list[int] = []
        self.is_open = True
        self.fault = ""
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, self._attend)

    @property
    def peer(self) -> int:
        """The pid of the other side as this process counts them; 0 if it has none here."""
        try:
            return peer_of(self._socket).pid
        except OSError:  # it has hung up
            return 0

    def send(self, message: Message) -> bool:
        """Send as much as goes now, the rest when the other side takes it. False: the other side is gone."""
        return self.send_packed(packed(message))

    def send_packed(self, data: bytes) -> bool:
        """The same for whole messages as bytes."""
        self._unsent += data
        return self._push()

    def send_with(self, message: Message, descriptors: Sequence[int]) -> bool:
        """The same, with files, which go now or never. For a channel on which little is said."""
        if not self._push() or self._unsent:
            return False
        data = packed(message)
        try:
            sent = socket.send_fds(self._socket, [data], descriptors)
        except OSError:  # full, or the other side is gone
            return False
        self._unsent += data[sent:]
        return self._push()

    def drain(self) -> None:
        """Read what is there to the last byte: the other side is dead."""
        while self.is_open and self._read():
            continue

    def close(self) -> None:
        """Leave the selector, close the socket and what has been passed and nobody has taken."""
        if self.is_open:
            self.is_open = False
            self._selector.unregister(self._socket)
            self._socket.close()
        while self.descriptors:
            os.close(self.descriptors.pop())

    def _attend(self) -> None:
        if self._unsent:
            self._push()
        self._read()

    def _push(self) -> bool:
        if not self.is_open:
            return False
        try:
            sent = self._socket.send(self._unsent) if self._unsent else 0
        except BlockingIOError:
            sent = 0
        except OSError:  # reading finds out too, and says so
            self._unsent.clear()
            return False
        del self._unsent[:sent]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
        if self._selector.get_key(self._socket).events != wanted:
            self._selector.modify(self._socket, wanted, self._attend)
        return True

    def _read(self) -> bool:
        """Read one piece; False when there is nothing to read now or ever."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._socket, PIECE, 2)
        except BlockingIOError:
            return False
        except OSError:
            data, descriptors = b"", []
        self.descriptors += descriptors
        if not data:
            self._over()
            return False
        self._deliver(data)
        return True

    def _deliver(self, data: bytes) -> None:
        try:
            for message in self._unpacker.feed(data):
                self._received(message)
        except (ValueError, TypeError, LookupError) as error:  # not one of ours: nothing it says can be trusted
            self.fault = in_one_line(error)
            self._over()

    def _over(self) -> None:
        if self.is_open:
            self.close()
            self._ended()


def close(descriptors: Iterable[int]) -> None:
    """Close files that another process has passed to us."""
    for descriptor in descriptors:
        os.close(descriptor)


def as_outputs(descriptors: list[int]) -> tuple[int, int]:
    """stdout and stderr of a web worker; nowhere, if it has none."""
    if len(descriptors) == 2:
        return descriptors[0], descriptors[1]
    close(descriptors)
    return os.open(os.devnull, os.O_WRONLY), os.open(os.devnull, os.O_WRONLY)
