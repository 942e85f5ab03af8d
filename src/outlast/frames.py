"""Messages between processes: four bytes of length, then JSON. Never anything that could carry code."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

_LENGTH = struct.Struct("<I")
LARGEST = 64 * 1024 * 1024  # bytes; more than that is not one of ours
Message = dict[str, Any]


def packed(message: Message) -> bytes:
    """One message as it goes over a socket."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(body)) + body


class Unpacker:
    """Collects bytes as they come and gives whole messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that `data` completes. Raises ValueError for something that is not a message."""
        self._bytes += data
        while (body := self._next()) is not None:
            message = json.loads(body)
            if not isinstance(message, dict):
                raise ValueError("a message has to be a JSON object")
            yield message

    def _next(self) -> bytes | None:
        if len(self._bytes) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._bytes)
        if length > LARGEST:
            raise ValueError(f"a message of {length} bytes is not one of ours")
        end = _LENGTH.size + length
        if len(self._bytes) < end:
            return None
        body = bytes(self._bytes[_LENGTH.size : end])
        del self._bytes[:end]
        return body


def receive_all(connection: socket.socket) -> Iterator[Message]:
    """Messages from a blocking socket until the other side is gone."""
    unpacker = Unpacker()
    while data := _receive(connection):
        yield from unpacker.feed(data)


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 18)
    except ConnectionError:
        return b""
