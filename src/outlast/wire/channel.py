"""A stream of messages to and from another process that can never make the runner wait."""

from __future__ import annotations

import os
import selectors
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from outlast.system.peers import peer_of
from outlast.text import in_one_line
from outlast.wire.frames import READ, Message, Unpacker, packed

NOT_OURS = (ValueError, TypeError, LookupError, OverflowError)
"""What reading something raises that no outlast has said."""
Word = TypeVar("Word")


class Attended(Protocol):
    """What stands in the runner's selector as the data of its key."""

    def attend(self) -> None:
        """It is ready: take what is there, and wait for nothing. What it means is asked for later."""
        ...


class Channel:
    """One socket in the runner's selector. Whole messages wait in it until they are asked for.

    `descriptors` holds what was passed with the first bytes: a web worker's stdout and stderr. is_over: nothing comes
    or goes any more. fault: why this side has hung up, empty if the other one has. left_unread: whether the other one
    has, and had not read all it was sent; not known of every system. peer: the pid of the other side as this process
    counts them; 0 if it has none here.
    """

    def __init__(self, connection: socket.socket, selector: selectors.BaseSelector) -> None:
        self._socket = connection
        self._selector = selector
        self._unpacker = Unpacker()
        self._inbox: deque[Message] = deque()
        self._unsent = bytearray()
        self.descriptors: list[int] = []
        self.is_over = False
        self.fault = ""
        self.left_unread = False
        self.peer = _peer_of(connection)
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, self)

    def attend(self) -> None:
        """Send what could not go before, read one piece."""
        if self._unsent:
            self._push()
        self._read()

    def heard(self, read: Callable[[Message], Word]) -> Iterator[Word]:
        """What has come, as `read` understands it. The channel is over where that raises NOT_OURS."""
        while self._inbox:
            try:
                word = read(self._inbox.popleft())
            except NOT_OURS as error:
                self._hang_up(error)
                return
            yield word

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
        while not self.is_over and self._read():
            continue

    def close(self) -> None:
        """Leave the selector, close the socket and what has been passed and nobody has taken."""
        self._end()
        while self.descriptors:
            os.close(self.descriptors.pop())

    def _end(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._selector.unregister(self._socket)
            self._socket.close()

    def _push(self) -> bool:
        if self.is_over:
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
            self._selector.modify(self._socket, wanted, self)
        return True

    def _read(self) -> bool:
        """Read one piece; False when there is nothing to read now or ever."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._socket, READ, 2)
        except BlockingIOError:
            return False
        except OSError as error:
            data, descriptors = b"", []
            self.left_unread = isinstance(error, ConnectionResetError)  # Linux, unix(7)
        self.descriptors += descriptors
        if data:
            self._take(data)
        else:  # what was passed may belong to a message that nobody has asked for yet
            self._end()
        return bool(data)

    def _take(self, data: bytes) -> None:
        try:
            self._inbox.extend(self._unpacker.feed(data))
        except NOT_OURS as error:
            self._hang_up(error)

    def _hang_up(self, error: Exception) -> None:
        """What came is not one of ours: nothing it says can be trusted."""
        self.fault = in_one_line(error)
        self._inbox.clear()
        self.close()


def _peer_of(connection: socket.socket) -> int:
    try:
        return peer_of(connection).pid
    except OSError:  # it has hung up
        return 0


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
