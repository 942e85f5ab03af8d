"""Why a task process has ended itself, told to the runner by the socket on which it takes interrupts.

It is a way of its own: what else a process says may be cut in the middle of a message, or have no thread to say it.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress

from outlast.text import MOST_REASON, one_line


def end_process(interrupts: socket.socket, why: str) -> None:
    """Say why, then end this process and all that it has started: what ran here runs again."""
    with suppress(OSError):  # the runner is gone, or full: it finds us dead
        interrupts.send(why.encode(errors="replace"), socket.MSG_DONTWAIT)
    os.killpg(os.getpgid(0), signal.SIGKILL)


def last_words(interrupts: socket.socket) -> str:
    """What a process has said before it ended; empty when it said nothing. For the runner's end."""
    try:
        said = interrupts.recv(1 << 16, socket.MSG_DONTWAIT)
    except OSError:
        return ""
    return one_line(said.decode(errors="replace"), MOST_REASON)
