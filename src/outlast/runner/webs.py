"""The web workers that are connected: their hellos and their wake-ups."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from outlast.connection import SOCKET_NAME, socket_address
from outlast.errors import OutlastError
from outlast.frames import Message
from outlast.hello import Hello
from outlast.runner.channel import Channel, close

log = logging.getLogger("outlast")
MOURNING = 1.0  # seconds from a hang-up on in which a web worker's death is found out
DYING_TIME = 5.0  # seconds a process may still live after its connection has ended


class Webs:
    """The listening socket and everyone connected to it.

    `greeted(hello, pid, descriptors)` is called for each hello, `woken()` for each wake-up, `asked_to_look()` when a
    running task is to be stopped.
    """

    def __init__(
        self,
        path: Path,
        selector: selectors.BaseSelector,
        greeted: Callable[[Hello, int, list[int]], None],
        woken: Callable[[], None],
        asked_to_look: Callable[[], None],
    ) -> None:
        self._selector = selector
        self._greeted = greeted
        self._woken = woken
        self._asked_to_look = asked_to_look
        self._connected: set[Channel] = set()
        self._waiting: set[Channel] = set()
        self._last_end = self._last_cut = -DYING_TIME
        self._leaving: set[Channel] = set()
        self._file = path.parent / SOCKET_NAME
        self._listener = self._listen(path.parent)

    @property
    def is_empty(self) -> bool:
        """Whether no web worker is connected."""
        return not self._connected

    @property
    def has_waiting(self) -> bool:
        """Whether a web worker that stops wants to know when no task runs any more."""
        return bool(self._waiting)

    def let_go(self) -> None:
        """Let the web workers stop that have waited."""
        for channel in list(self._waiting):
            channel.close()
            self._ended(channel)

    def may_have_died(self, now: float) -> bool:
        """Whether a connection has ended of late: its process ends a moment later, or lives on."""
        return now - self._last_end < DYING_TIME

    def may_be_mourned(self, now: float) -> bool:
        """Whether one has hung up of late without a good-bye, so that something may have to be said of its end."""
        return now - self._last_cut < MOURNING

    def close(self) -> None:
        """Stop listening and hang up."""
        self._selector.unregister(self._listener)
        self._listener.close()
        with suppress(OSError):  # a folder that was made read-only: the next runner puts its own there
            self._file.unlink(missing_ok=True)
        for channel in [*self._connected, *self._waiting]:
            channel.close()

    def _listen(self, folder: Path) -> socket.socket:
        self._file.unlink(missing_ok=True)  # of a dead runner: ours is the lock
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        old_mask = os.umask(0o077)
        try:
            with socket_address(folder) as address:
                listener.bind(address)
        finally:
            os.umask(old_mask)
        listener.listen(128)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        return listener

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # it gave up before we came
            return
        channel = Channel(
            connection,
            self._selector,
            lambda message: self._received(channel, message),
            lambda: self._ended(channel),
        )

    def _received(self, channel: Channel, message: Message) -> None:
        if message.get("type") == "wake":
            self._woken()
        elif message.get("type") == "good-bye":
            self._leave(channel, waits=bool(message.get("waits")))
        elif message.get("type") == "look":
            self._asked_to_look()
        elif message.get("type") == "hello":
            self._welcome(channel, message)

    def _leave(self, channel: Channel, *, waits: bool) -> None:
        self._leaving.add(channel)
        if waits and channel in self._connected:
            self._connected.discard(channel)
            self._waiting.add(channel)

    def _welcome(self, channel: Channel, message: Message) -> None:
        descriptors, channel.descriptors = channel.descriptors, []
        try:
            hello = Hello.read(message)
        except OutlastError as error:
            log.error("%s", error)
            close(descriptors)
            return
        self._connected.add(channel)
        self._greeted(hello, channel.peer, descriptors)

    def _ended(self, channel: Channel) -> None:
        close(channel.descriptors)  # of one that hung up before it had said hello
        channel.descriptors = []
        self._connected.discard(channel)
        self._waiting.discard(channel)
        self._last_end = time.monotonic()
        if channel not in self._leaving:
            self._last_cut = self._last_end
        self._leaving.discard(channel)
