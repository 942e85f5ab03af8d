"""A process that the runner has started, with its sockets: what it says, what it is told, and how it ends."""

from __future__ import annotations

import os
import selectors
import socket

from outlast.runner.reaping import CAN_WATCH, ExitWatch, Handle, exit_status, kill_group, reap_orphans
from outlast.wire.channel import Channel
from outlast.wire.interrupts import SIGNAL, Token, give
from outlast.wire.last_words import last_words


class ChildProcess:
    """It dies when this process closes `lifeline`. `interrupts`: where it is told to interrupt, if it can be.

    Raises OSError when no descriptor is left to watch it with; it has been ended then.
    """

    def __init__(
        self,
        handle: Handle,
        selector: selectors.BaseSelector,
        channel: socket.socket,
        lifeline: socket.socket,
        interrupts: socket.socket | None = None,
    ) -> None:
        self._handle = handle
        self._lifeline = lifeline
        self._interrupts = interrupts
        self._exit: ExitWatch | None = None
        self.channel = Channel(channel, selector)
        try:
            self._exit = ExitWatch(handle.pid, selector) if CAN_WATCH else None
        except OSError:
            self.reap()
            raise

    @property
    def pid(self) -> int:
        """Its process id, also that of its group and session."""
        return self._handle.pid

    @property
    def has_ended(self) -> bool:
        """Whether it is dead, and waits to be reaped. Where nobody tells, one that has hung up is."""
        return self._exit.has_ended if self._exit else self.channel.is_over

    def interrupt(self, token: Token) -> None:
        """Have an exception raised in an attempt, if its code is what the process runs now."""
        if self._interrupts is not None:
            give(self._interrupts, token)
            os.kill(self.pid, SIGNAL)

    def kill(self) -> None:
        """End it and everything it started, now."""
        kill_group(self.pid)

    def reap(self) -> tuple[int, str]:
        """Its exit status (negative: signal), and why it has ended itself, if it said so. What it started ends, too.

        What it has said last can be heard still.
        """
        self.kill()  # before its pid is given back, and may be somebody else's
        status = exit_status(self._handle)
        reap_orphans(self.pid)
        if self._exit:
            self._exit.close()
        self.channel.drain()
        self.channel.close()
        words = last_words(self._interrupts) if self._interrupts else ""
        for line in filter(None, (self._lifeline, self._interrupts)):
            line.close()
        return status, words
