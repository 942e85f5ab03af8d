"""The web workers that are connected: their hellos, their wake-ups, and which of them have died."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from outlast.connection import SOCKET_NAME, socket_address
from outlast.errors import OutlastError
from outlast.frames import Message
from outlast.hello import Hello
from outlast.liveness import Liveness
from outlast.runner.channel import Channel

log = logging.getLogger("outlast")
DYING_TIME = 5.0  # seconds a process may live after its connection has ended, before we take it for a living one


@dataclass(eq=False)
class Web:
    """A connected web worker; `process` is its id (row), known from its hello."""

    process: int = 0
    channel: Channel = field(init=False)


class Webs:
    """The listening socket and everyone connected to it.

    `greeted(hello, descriptors)` is called for each hello, `woken()` for each wake-up.
    """

    def __init__(
        self,
        path: Path,
        selector: selectors.BaseSelector,
        greeted: Callable[[Hello, list[int]], None],
        woken: Callable[[], None],
    ) -> None:
        self._selector = selector
        self._greeted = greeted
        self._woken = woken
        self._connected: set[Web] = set()
        self._lost: dict[int, float] = {}
        self._file = path.parent / SOCKET_NAME
        self._listener = self._listen(path.parent)

    @property
    def is_empty(self) -> bool:
        """Whether no web worker is connected."""
        return not self._connected

    @property
    def is_waiting_for_a_death(self) -> bool:
        """Whether a connection has ended whose process may still be going."""
        return bool(self._lost)

    def dead(self, liveness: Liveness) -> list[int]:
        """The processes that have died since the last call. A connection may end a moment before its process."""
        now = time.monotonic()
        dead = [process for process in self._lost if liveness.holder(process) is None]
        self._lost = {one: at for one, at in self._lost.items() if one not in dead and now - at < DYING_TIME}
        return dead

    def close(self) -> None:
        """Stop listening and hang up."""
        self._selector.unregister(self._listener)
        self._listener.close()
        self._file.unlink(missing_ok=True)
        for web in list(self._connected):
            web.channel.close()

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
        web = Web()
        web.channel = Channel(
            connection,
            self._selector,
            lambda message: self._received(web, message),
            lambda: self._ended(web),
        )

    def _received(self, web: Web, message: Message) -> None:
        if message.get("type") == "wake":
            self._woken()
        elif message.get("type") == "hello":
            self._welcome(web, message)

    def _welcome(self, web: Web, message: Message) -> None:
        try:
            hello = Hello.read(message)
        except OutlastError as error:
            log.error("%s", error)
            return
        web.process = hello.process
        self._lost.pop(hello.process, None)
        self._connected.add(web)
        descriptors, web.channel.descriptors = web.channel.descriptors, []
        self._greeted(hello, descriptors)

    def _ended(self, web: Web) -> None:
        self._connected.discard(web)
        if web.process:
            self._lost[web.process] = time.monotonic()
