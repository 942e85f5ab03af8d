"""A web worker's connection to the runner: finds it, or starts it, tells it who we are, and wakes it."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from outlast import events, hindrances
from outlast.errors import StoreFailed, StrangerListens
from outlast.forks import OfOneProcess
from outlast.frames import packed, receive_all
from outlast.hello import Hello
from outlast.ownership import is_trusted, user_named
from outlast.peers import peer_of
from outlast.place import Place
from outlast.process import this
from outlast.text import MOST_REASON, one_line
from outlast.threads import BackOff, OwnThread, started

log = logging.getLogger("outlast")
LONGEST_PATH = 107  # bytes in sockaddr_un
ANSWERING_TIME = 0.3  # seconds; a runner of an older outlast does not know the question
STARTING_TIME = 5.0  # seconds until another runner is tried
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
        self._place = place
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
        self._has_complained = False
        self._has_started_runner = False
        self._complaint = ""
        self._stranger = ""  # what was said of one who listens in the runner's place

    @property
    def is_of_others(self) -> bool:
        """Whether it leads to a runner that was there before, so that others need it, too."""
        return self._socket is not None and not self._has_started_runner

    def wake(self) -> None:
        """Tell the runner that a task is ready; connect first if need be. Raises StoreFailed like `open`."""
        connection = self._socket
        if connection is None:
            self.open()
            return
        try:
            connection.send(WAKE, socket.MSG_DONTWAIT)
        except OSError:  # full: it has wake-ups enough; gone: the thread finds out and connects again
            return

    def look(self) -> None:
        """Tell the runner, if there is one, that a running task is to be stopped; it looks by itself once a second."""
        self._tell(LOOK)

    def tell_backlog(self, waiting: int) -> None:
        """Tell the runner, if there is one, how many changes this process cannot write."""
        self._tell(packed({"type": "backlog", "waiting": waiting}))

    def _tell(self, message: bytes) -> None:
        connection = self._socket
        if connection is not None:
            with suppress(OSError):  # full, or gone, which the thread finds out
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
            connection = self._reach_runner()
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

    def _reach_runner(self) -> socket.socket | None:
        """A connection to a living runner; None when there is none and it is not ours to start one."""
        if not self.starts_runner:
            return self._find_worker()
        pauses = BackOff()
        while not self._closed.is_set():
            connection = self._connect() or self._connect_to_new()
            if connection is not None:
                self._complain("")
                return connection
            self._closed.wait(pauses.next())
        return None

    def _connect_to_new(self) -> socket.socket | None:
        """Start a runner. What keeps it from starting may pass: no descriptor or process is left, no interpreter."""
        self._has_started_runner = True
        try:
            start_runner(self._place)
        except OSError as error:
            self._complain(hindrances.runner_not_started(self._place.journal, error))
            return None
        connection = self._connect_within(STARTING_TIME)
        if connection is None and not self._closed.is_set():
            self._complain(hindrances.no_runner_answers(self._place.socket))
        return connection

    def _complain(self, sentence: str) -> None:
        """Say what is wrong once, and that it is over; empty: nothing is."""
        before, self._complaint = self._complaint, sentence
        if sentence and sentence != before:
            log.error("%s", sentence)
        elif before and not sentence:
            log.warning("%s", hindrances.runner_reached(self._place.journal))

    def _find_worker(self) -> socket.socket | None:
        connection = self._connect_within(1.0)
        if connection is None and not self._has_complained:
            log.warning("%s", events.no_worker(self._place.journal))
        self._has_complained = connection is None
        return connection

    def _connect_within(self, seconds: float) -> socket.socket | None:
        deadline = time.monotonic() + seconds
        while not (connection := self._connect()):
            if self._closed.wait(0.01) or time.monotonic() > deadline:
                return None
        return connection

    def _connect(self) -> socket.socket | None:
        try:
            return connected(self._place)
        except StrangerListens as error:
            if str(error) != self._stranger:
                log.error("%s", error)
            self._stranger = str(error)
        except OSError:
            return None
        return None


def connected(place: Place) -> socket.socket:
    """A connection to whoever listens at `place`, who is this user or root. Raises OSError, StrangerListens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket_address(place) as address:
            connection.connect(address)
        _make_sure_of(connection, place)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_sure_of(connection: socket.socket, place: Place) -> None:
    user = peer_of(connection).uid
    if not is_trusted(user):
        raise StrangerListens(hindrances.stranger_listens(place.socket, user_named(user)))


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


def start_runner(place: Place) -> None:
    """Start a runner for the journal at `place`, in a session of its own, holding nothing of this process but stderr.

    It detaches at once, so that this process never has it as a child.
    """
    command = [sys.executable, "-P", "-m", "outlast.runner", str(place.journal)]
    if place.is_shared:
        command.append("--shared-folder")
    null = subprocess.DEVNULL
    errors = None if _is_open(2) else null
    subprocess.run(command, stdin=null, stdout=null, stderr=errors, start_new_session=True, check=False)


@contextmanager
def socket_address(place: Place) -> Iterator[str]:
    """The address of the runner's socket, through a descriptor of its folder where the path is too long."""
    plain = str(place.socket)
    if len(os.fsencode(plain)) <= LONGEST_PATH:
        yield plain
        return
    descriptor = os.open(place.folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{place.socket.name}"
    finally:
        os.close(descriptor)


def _say(connection: socket.socket, hello: Hello) -> None:
    """Send hello, and with its first byte the output that children shall write to."""
    data = packed(hello.message())
    outputs = [descriptor for descriptor in (1, 2) if _is_open(descriptor)]
    socket.send_fds(connection, [data[:1]], outputs if len(outputs) == 2 else [])
    connection.sendall(data[1:])


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
