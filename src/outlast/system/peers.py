"""Who is at the other end of a Unix socket, as the kernel tells it."""

from __future__ import annotations

import socket
import struct
import sys
from dataclasses import dataclass

_UCRED = struct.Struct("=iII")  # Linux, unix(7): pid, uid, gid
_XUCRED = struct.Struct("=IIhxx16I")  # macOS and BSD, unix(4): version, uid, number of groups, groups
_SOL_LOCAL, _LOCAL_PEERCRED = 0, 1  # Python has no names for them there


@dataclass(frozen=True, slots=True)
class Peer:
    """A process as it was when it connected, or began to listen. `pid` is 0 where that is not told, or not of here."""

    pid: int
    uid: int


def peer_of(connection: socket.socket) -> Peer:
    """Who is at the other end. Raises OSError when the kernel does not tell."""
    if sys.platform == "linux":
        pid, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        return Peer(pid, uid)
    return _peer_by_xucred(connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size))


def _peer_by_xucred(answer: bytes) -> Peer:
    uid = struct.unpack_from("=I", answer, 4)[0]
    return Peer(0, uid)
