"""Messages between processes: JSON, and bytes that JSON need not escape. Never anything that could carry code.

    4 bytes    how many follow, little endian
    JSON       one object, in one line
    if the object has `blocks`, the size of each: a line break, then the blocks, one behind the other

Processes of two versions of outlast say hello, wake, look and good-bye to each other: those never have blocks.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

from outlast.errors import MessageTooBig

_LENGTH = struct.Struct("<I")
LARGEST = 64 * 1024 * 1024  # bytes; more than that is not one of ours
PIECE = 4 * 1024 * 1024  # bytes, about: what is more is sent as several messages
READ = 1 << 16  # bytes at once: a buffer of 128 KiB or more is mapped anew each time, and takes ten times as long
Message = dict[str, Any]


def packed(message: Message, blocks: Sequence[bytes] = ()) -> bytes:
    """One message as it goes over a socket; the reader finds `blocks` in it. Raises MessageTooBig."""
    parts = [_json({**message, "blocks": list(map(len, blocks))}), b"\n", *blocks] if blocks else [_json(message)]
    size = sum(map(len, parts))
    if size > LARGEST:
        raise MessageTooBig(f"a message of {size} bytes ({message.get('type')}) is more than the other side reads")
    return b"".join([_LENGTH.pack(size), *parts])


class Unpacker:
    """Collects bytes as they come and gives whole messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that `data` completes. Raises ValueError for something that is not a message."""
        self._bytes += data
        while (body := self._next()) is not None:
            yield _read(body)

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


def _json(message: Message) -> bytes:
    """A lone surrogate, which has no bytes, becomes the escape that JSON has for it."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode(errors="backslashreplace")


def _read(body: bytes) -> Message:
    line, _, rest = body.partition(b"\n")
    try:
        message = json.loads(line)
    except RecursionError as error:
        raise ValueError("a message is nested too deeply") from error
    if not isinstance(message, dict):
        raise ValueError("a message has to be a JSON object")
    if "blocks" in message:
        message["blocks"] = _cut(rest, message["blocks"])
    return message


def _cut(rest: bytes, given: object) -> list[bytes]:
    sizes = given if isinstance(given, list) else [given]
    if not all(type(one) is int and one >= 0 for one in sizes) or sum(sizes) != len(rest):
        raise ValueError("the blocks of a message are not as large as it says")
    return [rest[begin:end] for begin, end in pairwise(accumulate(sizes, initial=0))]


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(READ)
    except ConnectionError:
        return b""
