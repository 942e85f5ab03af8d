"""A web worker's connection to the runner: finds it, or starts it, tells it who we are, and wakes it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from outlast.errors import StoreFailed, StrangerListens
from outlast.events import hindrances
from outlast.system.forks import OfOneProcess
from outlast.system.place import Place
from outlast.system.process import this
from outlast.system.threads import BackOff, OwnThread, started
from outlast.text import MOST_REASON, one_line
from outlast.web.reach import Reach, connected, is_open
from outlast.wire.frames import packed, receive_all
from outlast.wire.hello import Hello

ANSWERING_TIME = 1.0  # seconds, on a busy machine, too; a runner of an older outlast does not know the question
STABLE = 5.0  # seconds after which a connection that ends was a good one
WAKE = packed({"type": "wake"})
LOOK = packed({"type": "look"})
BACKLOG = packed({"type": "backlog"})
GOOD_BYE = packed({"type": "good-bye", "waits": False})
GOOD_BYE_AND_WAIT = packed({"type": "good-bye", "waits": True})


class Connection(OfOneProcess):
    """One per web worker and journal. A thread of its own stays in touch; `wake` never blocks.

    `hello` is asked for anew at each connection. With `starts_runner`, a runner is started when there is none, and
    again when it dies.
    """

    def __init__(self, place: Place, hello: Callable[[], Hello], *, starts_runner: bool) -> None:
        self.place = place
        self._hello = hello
        self.starts_runner = starts_runner
        self._reset()
        this.forks.tell(self)

    def after_fork_in_child(self) -> None:
        """Hang up without a word."""
        self._reset()

    def _reset(self) -> None:
        """Start anew, as in a forked child: an inherited connection would make its dead parent look alive."""
        inherited: socket.socket | None = getattr(self, "_socket", None)
        if inherited is not None:
            inherited.close()
        self._socket: socket.socket | None = None
        self._thread = OwnThread("outlast-connection", self._run)
        self._starting = threading.Lock()
        self._closed = threading.Event()
        self._let_go = threading.Event()
        self._reach = Reach(self.place, self._closed, starts_runner=self.starts_runner)

    @property
    def is_of_others(self) -> bool:
        """Whether it leads to a runner that was there before, so that others need it, too."""
        return self._socket is not None and not self._reach.has_started_runner

    def wake(self) -> None:
        """Tell the runner that a task is ready; connect first if need be. Raises StoreFailed like `open`."""
        if self._socket is None:
            self.open()
        else:
            self._tell(WAKE)

    def look(self) -> None:
        """Tell the runner, if there is one, that a running task is to be stopped; it looks by itself once a second."""
        self._tell(LOOK)

    def tell_backlog(self, waiting: int) -> None:
        """Tell the runner, if there is one, how many changes this process cannot write."""
        self._tell(packed({"type": "backlog", "waiting": waiting}))

    def _tell(self, message: bytes) -> None:
        connection = self._socket
        if connection is not None:
            with suppress(OSError):  # full: it has been told enough; gone: the thread finds out and connects again
                connection.send(message, socket.MSG_DONTWAIT)

    def open(self) -> None:
        """Stay connected from now on. Raises StoreFailed when no thread can be started for it now."""
        with self._starting:
            if self._closed.is_set() or self._thread.is_alive:
                return
            self._thread = OwnThread("outlast-connection", self._run)
            if refusal := started(self._thread):
                raise StoreFailed(hindrances.no_thread("stays in touch with the runner", refusal))

    def close(self, wait: float = 0.0) -> None:
        """Say good-bye: this web worker ends in order.

        With `wait`, blocks for at most so many seconds until no task runs any more; not if other web workers stay.
        """
        self._closed.set()
        connection, self._socket = self._socket, None
        if connection is None:
            return
        with suppress(OSError):  # the runner has gone before us
            connection.sendall(GOOD_BYE_AND_WAIT if wait else GOOD_BYE)
            if wait:
                self._let_go.wait(wait)
            connection.shutdown(socket.SHUT_RDWR)

    def join(self, patience: float) -> None:
        """Wait until its thread has ended, after `close`; at most `patience` seconds."""
        self._thread.join(patience)

    def _run(self) -> None:
        pauses = BackOff()
        while not self._closed.is_set():
            connection = self._reach.runner()
            if connection is None:
                return  # the next wake tries again
            began = time.monotonic()
            with connection:
                self._stay(connection)
            if time.monotonic() - began > STABLE:
                pauses.reset()
            else:
                self._closed.wait(pauses.next())

    def _stay(self, connection: socket.socket) -> None:
        """Until the runner is gone or this worker says good-bye."""
        try:
            connection.settimeout(None)
            _say(connection, self._hello())
        except OSError:
            return
        self._socket = connection
        if self._closed.is_set():  # while hello was said: nobody has this connection to hang up
            self.close()
        try:
            for _ in receive_all(connection):  # nothing is said to us: its end is the message
                continue
        finally:
            self._socket = None
        self._let_go.set()


def look_now(place: Place) -> None:
    """Have the runner of the journal at `place`, if there is one, look which tasks are to be stopped."""
    with suppress(OSError, StrangerListens), connected(place) as connection:
        connection.sendall(LOOK)


def backlog_of(place: Place) -> Mapping[str, Any]:
    """What the runner of the journal at `place` and its web workers have not written; empty if nobody answers."""
    with suppress(OSError, ValueError, StrangerListens), connected(place) as connection:
        connection.settimeout(ANSWERING_TIME)
        connection.sendall(BACKLOG)
        return next(receive_all(connection), {})
    return {}


def hindrance_in(backlog: Mapping[str, Any]) -> str:
    """Of what `backlog_of` gives: why no task process can start, in one sentence; empty if nothing is in the way."""
    return one_line(backlog.get("hindrance"), MOST_REASON)


def _say(connection: socket.socket, hello: Hello) -> None:
    """Send hello, and with its first byte the output that children shall write to.

    The stdout of a script is its result, which somebody may wait for to the end, as a shell does: what its tasks print
    is not part of that.
    """
    data = packed(hello.message())
    outputs = [descriptor for descriptor in ((1, 2) if hello.serves else (2, 2)) if is_open(descriptor)]
    socket.send_fds(connection, [data[:1]], outputs if len(outputs) == 2 else [])
    connection.sendall(data[1:])
