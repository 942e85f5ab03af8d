"""The web workers that are connected: their hellos and their wake-ups, and what others say to the runner."""

from __future__ import annotations

import math
import selectors
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from outlast.errors import OutlastError
from outlast.events import hindrances
from outlast.runner.listener import Listener
from outlast.system.place import Place
from outlast.text import MOST_NAME, one_line
from outlast.wire.channel import Channel, close
from outlast.wire.frames import Message
from outlast.wire.hello import Hello

DYING_TIME = 5.0  # seconds a process may still live after its connection has ended


class Request(Enum):
    """What somebody wants of the runner."""

    WAKE = "a task may have come to wait"
    LOOK = "a running task is to be stopped"
    ASK = "what has not been written?"
    NOISE = "something that this runner does not know"


@dataclass(frozen=True, slots=True)
class Backlog:
    """A web worker has so many changes that it cannot write."""

    waiting: int


@dataclass(frozen=True, slots=True)
class GoodBye:
    """It leaves in order. waits: it wants to know when no task runs any more, and hangs up then."""

    waits: bool


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A hello that is none, and why."""

    why: str


Word = Request | Backlog | GoodBye | Hello | Unreadable


def read(message: Message) -> Word:
    """From another process. Raises one of NOT_OURS for what is none."""
    match message.get("type"):
        case "wake":
            return Request.WAKE
        case "look":
            return Request.LOOK
        case "backlog":
            return Backlog(int(message["waiting"])) if "waiting" in message else Request.ASK
        case "good-bye":
            return GoodBye(bool(message.get("waits")))
        case "hello":
            return _hello(message)
        case _:
            return Request.NOISE


def _hello(message: Message) -> Hello | Unreadable:
    try:
        return Hello.read(message)
    except OutlastError as error:
        return Unreadable(str(error))


@dataclass(eq=False)
class Caller:
    """Somebody who is connected: a web worker once it has said hello, else one that only asks.

    unwritten: how many changes it has that it cannot write. leaves: it has said good-bye; waits: and wants to know when
    no task runs any more.
    """

    channel: Channel
    hello: Hello | None = None
    unwritten: int = 0
    leaves: bool = False
    waits: bool = False

    def take_outputs(self) -> list[int]:
        """Its stdout and stderr, which are the taker's to close."""
        taken, self.channel.descriptors = self.channel.descriptors, []
        return taken


class WebWorkers:
    """The listening socket and everyone connected to it. last_cut: when (monotonic) one hung up without a good-bye."""

    def __init__(self, place: Place, selector: selectors.BaseSelector) -> None:
        self._place = place
        self._selector = selector
        self.listener = Listener(place, selector)
        self._callers: list[Caller] = []
        self.last_cut = -math.inf
        self._last_end = -math.inf
        self._turned_away: hindrances.MeantForAnother | None = None  # what was said of the last one

    @property
    def connected(self) -> list[tuple[Caller, Hello]]:
        """The web workers that are here to stay."""
        return [(one, one.hello) for one in self._callers if one.hello and not one.waits]

    @property
    def pids(self) -> set[int]:
        """Their process ids."""
        return {caller.channel.peer for caller, _ in self.connected}

    @property
    def has_waiting(self) -> bool:
        """Whether a web worker that stops wants to know when no task runs any more."""
        return any(one.waits for one in self._callers)

    def may_have_died(self, now: float) -> bool:
        """Whether a connection has ended of late: its process ends a moment later, or lives on."""
        return now - self._last_end < DYING_TIME

    def heard(self, now: float) -> Iterator[tuple[Caller, Hello | Request]]:
        """What they want of the runner: what they say of themselves, and that they come and go, is kept here."""
        self._callers += [Caller(Channel(one, self._selector)) for one in self.listener.accepted()]
        for caller in list(self._callers):
            for word in caller.channel.heard(read):
                if wanted := self._taken(caller, word):
                    yield caller, wanted
            if caller.channel.is_over:
                self._end(caller, now)

    def answer(self, caller: Caller, counted: Message) -> None:
        """Tell somebody who has asked what has not been written, here and in the web workers."""
        web_workers = {str(one.channel.peer): one.unwritten for one in self._callers if one.unwritten}
        caller.channel.send({"type": "backlog", "web": web_workers, **counted})

    def let_go(self, now: float) -> None:
        """Let the web workers stop that have waited."""
        for caller in [one for one in self._callers if one.waits]:
            self._end(caller, now)

    def close(self) -> None:
        """Stop listening and hang up."""
        self.listener.close()
        for caller in self._callers:
            caller.channel.close()

    def _taken(self, caller: Caller, word: Word) -> Hello | Request | None:
        match word:
            case Request():
                return word
            case Backlog(waiting):
                caller.unwritten = waiting
            case GoodBye(waits):
                caller.leaves, caller.waits = True, waits and caller.hello is not None
            case Unreadable(why):
                hindrances.HelloNotRead(why).tell()
                close(caller.take_outputs())
            case Hello():
                return self._let_in(caller, word)
        return None

    def _let_in(self, caller: Caller, hello: Hello) -> Hello | None:
        """Not if it means another journal."""
        if self._place.is_meant_by(hello.journal):
            caller.hello = hello
            return hello
        turned_away = hindrances.MeantForAnother(self._place.journal, one_line(hello.journal.path, MOST_NAME))
        if turned_away != self._turned_away:
            turned_away.tell()
        self._turned_away = turned_away
        caller.channel.close()
        return None

    def _end(self, caller: Caller, now: float) -> None:
        caller.channel.close()
        self._callers.remove(caller)
        if caller.hello:  # else it only asked
            self._last_end = now
            self.last_cut = self.last_cut if caller.leaves else now
