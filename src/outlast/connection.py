"""A web worker's connection to the runner: finds it, or starts it, tells it who we are, and wakes it."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from outlast import events
from outlast.frames import packed, receive_all
from outlast.hello import Hello

log = logging.getLogger("outlast")
SOCKET_NAME = "runner.sock"
LONGEST_PATH = 107  # bytes in sockaddr_un
ANSWERING_TIME = 0.3  # seconds; a runner of an older outlast does not know the question
STARTING_TIME = 5.0  # seconds until another runner is tried
WAKE = packed({"type": "wake"})
LOOK = packed({"type": "look"})
BACKLOG = packed({"type": "backlog"})
GOOD_BYE = packed({"type": "good-bye", "waits": False})
GOOD_BYE_AND_WAIT = packed({"type": "good-bye", "waits": True})


class Connection:
    """One per web worker and journal. A thread of its own stays in touch; `wake` never blocks.

    `hello` is asked for anew at each connection. With `starts_runner`, a runner is started when there is none, and
    again when it dies.
    """

    def __init__(self, path: Path, hello: Callable[[], Hello], *, starts_runner: bool) -> None:
        self._path = path
        self._hello = hello
        self._starts_runner = starts_runner
        self._reset()
        forget = weakref.WeakMethod(self._reset)
        os.register_at_fork(after_in_child=lambda: (reset := forget()) and reset())

    def _reset(self) -> None:
        """Start anew, as in a forked child: an inherited connection would make its dead parent look alive."""
        inherited: socket.socket | None = getattr(self, "_socket", None)
        if inherited is not None:
            inherited.close()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = threading.Event()
        self._let_go = threading.Event()
        self._has_complained = False

    def wake(self) -> None:
        """Tell the runner that a task is ready; connect first if need be."""
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
        connection = self._socket
        if connection is None:
            return
        with suppress(OSError):
            connection.send(LOOK, socket.MSG_DONTWAIT)

    def tell_backlog(self, waiting: int) -> None:
        """Tell the runner, if there is one, how many changes this process cannot write."""
        connection = self._socket
        if connection is None:
            return
        with suppress(OSError):
            connection.send(packed({"type": "backlog", "waiting": waiting}), socket.MSG_DONTWAIT)

    def open(self) -> None:
        """Stay connected from now on."""
        with self._starting:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="outlast-connection", daemon=True)
                self._thread.start()

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

    def _run(self) -> None:
        while not self._closed.is_set():
            connection = self._reach_runner()
            if connection is None:
                self._thread = None  # the next wake tries again
                return
            with connection:
                self._stay(connection)

    def _stay(self, connection: socket.socket) -> None:
        """Until the runner is gone or this worker says good-bye."""
        try:
            connection.settimeout(None)
            _say(connection, self._hello())
        except OSError:
            return
        self._socket = connection
        for _ in receive_all(connection):  # nothing is said to us: its end is the message
            continue
        self._socket = None
        self._let_go.set()

    def _reach_runner(self) -> socket.socket | None:
        """A connection to a living runner; None when there is none and it is not ours to start one."""
        if not self._starts_runner:
            return self._find_worker()
        while not self._closed.is_set():
            connection = self._connect()
            if connection is not None:
                return connection
            start_runner(self._path)
            connection = self._connect_within(STARTING_TIME)
            if connection is not None:
                return connection
            log.error("no runner answers at %s, starting another", self._path.parent / SOCKET_NAME)
        return None

    def _find_worker(self) -> socket.socket | None:
        connection = self._connect_within(1.0)
        if connection is None and not self._has_complained:
            log.warning("%s", events.no_worker(self._path))
        self._has_complained = connection is None
        return connection

    def _connect_within(self, seconds: float) -> socket.socket | None:
        deadline = time.monotonic() + seconds
        while not (connection := self._connect()):
            if self._closed.wait(0.01) or time.monotonic() > deadline:
                return None
        return connection

    def _connect(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with socket_address(self._path.parent) as address:
                connection.connect(address)
        except OSError:
            connection.close()
            return None
        return connection


def look_now(path: Path) -> None:
    """Have the runner of the journal at `path`, if there is one, look which tasks are to be stopped."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, suppress(OSError):
        with socket_address(path.parent) as address:
            connection.connect(address)
        connection.sendall(LOOK)


def backlog_of(path: Path) -> Mapping[str, Any]:
    """What the runner of the journal at `path` and its web workers have not written; empty if nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, suppress(OSError, ValueError):
        connection.settimeout(ANSWERING_TIME)
        with socket_address(path.parent) as address:
            connection.connect(address)
        connection.sendall(BACKLOG)
        return next(receive_all(connection), {})
    return {}


def start_runner(path: Path) -> None:
    """Start a runner for the journal at `path`, in a session of its own, holding nothing of this process but stderr.

    It detaches at once, so that this process never has it as a child.
    """
    command = [sys.executable, "-P", "-m", "outlast.runner", str(path)]
    null = subprocess.DEVNULL
    errors = None if _is_open(2) else null
    subprocess.run(command, stdin=null, stdout=null, stderr=errors, start_new_session=True, check=False)


@contextmanager
def socket_address(folder: Path) -> Iterator[str]:
    """The address of the runner's socket, through a descriptor of its folder where the path is too long."""
    plain = str(folder / SOCKET_NAME)
    if len(os.fsencode(plain)) <= LONGEST_PATH:
        yield plain
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
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
