"""An order to interrupt an attempt: written to a socket of its own, then announced by a signal.

The runner sends it, since the process that shall obey may be busy holding its interpreter's lock. The signal is
SIGURG: a process that does not listen for it ignores it (signal(7)), so an order can never kill.
"""

from __future__ import annotations

import signal
import socket
import struct

SIGNAL = signal.SIGURG
_ORDER = struct.Struct("<qq")
Token = tuple[int, int]
"""Task id and number of the attempt."""


def give(interrupts: socket.socket, token: Token) -> None:
    """Write an order. One that finds no room is not needed: those before it have not been read."""
    try:
        interrupts.send(_ORDER.pack(*token), socket.MSG_DONTWAIT)
    except OSError:  # full, or the process is dead
        return


def taken(interrupts: socket.socket) -> set[Token]:
    """All interrupts that are there now."""
    found: set[Token] = set()
    while True:
        try:
            found.add(_ORDER.unpack(interrupts.recv(_ORDER.size, socket.MSG_DONTWAIT)))
        except (OSError, struct.error):
            return found
