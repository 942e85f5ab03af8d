"""Sockets that come from the runner."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from outlast.wire.frames import Message, Unpacker

MOST = 3  # descriptors that come with one message
PIECE = 4096  # bytes read at once


def owned(descriptor: int | str) -> socket.socket:
    """A socket that only this process shall have from now on."""
    own = socket.socket(fileno=int(descriptor))
    own.set_inheritable(False)
    return own


class Requests:
    """Messages and the sockets that came with them, from a blocking socket until the other side is gone."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._unpacker = Unpacker()
        self._sockets: list[socket.socket] = []

    def __iter__(self) -> Iterator[Message]:
        while data := self._receive():
            yield from self._unpacker.feed(data)

    def take_sockets(self) -> list[socket.socket]:
        """Those of the message that was given last: in the order in which they were sent."""
        taken, self._sockets = self._sockets[:MOST], self._sockets[MOST:]
        return taken

    def close(self) -> None:
        """Hold nothing that is the runner's or another process's."""
        self._connection.close()
        for one in self._sockets:
            one.close()

    def _receive(self) -> bytes:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._connection, PIECE, MOST)
        except ConnectionError:
            return b""
        self._sockets += map(owned, descriptors)
        return data
