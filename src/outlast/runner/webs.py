"""The web workers that are connected: their hellos and their wake-ups."""

from __future__ import annotations

import logging
import selectors
import socket
import time
from collections.abc import Callable

from outlast import hindrances
from outlast.deployments import Deployment
from outlast.errors import OutlastError
from outlast.frames import Message
from outlast.hello import Hello
from outlast.place import Place
from outlast.runner.channel import Channel, close
from outlast.runner.listener import Listener
from outlast.text import MOST_NAME, one_line

log = logging.getLogger("outlast")
MOURNING = 5.0  # seconds from a hang-up on in which its successor, dead before it could say hello, is told of, too
DYING_TIME = 5.0  # seconds a process may still live after its connection has ended


class Webs:
    """The listening socket and everyone connected to it.

    `greeted(hello, pid, descriptors)` is called for each hello, `woken()` for each wake-up, `asked_to_look()` when a
    running task is to be stopped, `counted()` when somebody wants to know what has not been written.
    """

    def __init__(
        self,
        place: Place,
        selector: selectors.BaseSelector,
        greeted: Callable[[Hello, int, list[int]], None],
        woken: Callable[[], None],
        asked_to_look: Callable[[], None],
        counted: Callable[[], Message],
    ) -> None:
        self._selector = selector
        self._greeted = greeted
        self._woken = woken
        self._asked_to_look = asked_to_look
        self._open: set[Channel] = set()
        self._counted = counted
        self._unwritten: dict[Channel, int] = {}  # changes that a web worker has said it cannot write
        self._connected: dict[Channel, Hello] = {}
        self._waiting: set[Channel] = set()
        self._last_end = self._last_cut = -DYING_TIME
        self._leaving: set[Channel] = set()
        self._turned_away = ""  # what was said of the last one
        self._place = place
        self._listener = Listener(place, selector, self._accepted)

    @property
    def is_empty(self) -> bool:
        """Whether no web worker is connected."""
        return not self._connected

    @property
    def deployments(self) -> set[Deployment]:
        """What those run that are connected."""
        return {hello.deployment for hello in self._connected.values()}

    @property
    def processes(self) -> set[int]:
        """The ids (rows) of those that are connected."""
        return {hello.process for hello in self._connected.values()}

    @property
    def pids(self) -> set[int]:
        """Their process ids."""
        return {channel.peer for channel in self._connected}

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
        """Whether one has hung up of late without a good-bye: something may have to be said of it, or of the next."""
        return now - self._last_cut < MOURNING

    def keep(self, now: float) -> None:
        """See to it that web workers can reach this runner."""
        self._listener.keep(now)

    def close(self) -> None:
        """Stop listening and hang up."""
        self._listener.close()
        for channel in self._open:
            channel.close()

    def _accepted(self, connection: socket.socket) -> None:
        channel = Channel(
            connection,
            self._selector,
            lambda message: self._received(channel, message),
            lambda: self._ended(channel),
        )
        self._open.add(channel)

    def _received(self, channel: Channel, message: Message) -> None:
        if message.get("type") == "wake":
            self._woken()
        elif message.get("type") == "good-bye":
            self._leave(channel, waits=bool(message.get("waits")))
        elif message.get("type") == "look":
            self._asked_to_look()
        elif message.get("type") == "backlog":
            self._hear_of_backlog(channel, message)
        elif message.get("type") == "hello":
            self._welcome(channel, message)

    def _hear_of_backlog(self, channel: Channel, message: Message) -> None:
        """A web worker says what it has; anybody else asks what there is."""
        if "waiting" in message:
            self._unwritten[channel] = int(message["waiting"])
        else:
            webs = {str(one.peer): count for one, count in self._unwritten.items() if count}
            channel.send({"type": "backlog", "web": webs, **self._counted()})

    def _leave(self, channel: Channel, *, waits: bool) -> None:
        self._leaving.add(channel)
        if waits and channel in self._connected:
            del self._connected[channel]
            self._waiting.add(channel)

    def _welcome(self, channel: Channel, message: Message) -> None:
        descriptors, channel.descriptors = channel.descriptors, []
        try:
            hello = Hello.read(message)
        except OutlastError as error:
            log.error("%s", error)
            close(descriptors)
            return
        if not self._place.is_meant_by(hello.journal):
            meant = one_line(hello.journal.path, MOST_NAME)
            self._turn_away(channel, hindrances.meant_for_another(self._place.journal, meant))
            return
        self._connected[channel] = hello
        try:
            self._greeted(hello, channel.peer, descriptors)
        except OSError as error:  # no descriptor is left: it connects again
            self._listener.complain(error)
            channel.close()
            self._ended(channel)

    def _turn_away(self, channel: Channel, why: str) -> None:
        if why != self._turned_away:
            log.error("%s", why)
        self._turned_away = why
        channel.close()
        self._ended(channel)

    def _ended(self, channel: Channel) -> None:
        self._open.discard(channel)
        self._unwritten.pop(channel, None)
        if channel not in self._connected and channel not in self._waiting:  # it only asked
            return
        self._connected.pop(channel, None)
        self._waiting.discard(channel)
        self._last_end = time.monotonic()
        if channel not in self._leaving:
            self._last_cut = self._last_end
        self._leaving.discard(channel)
