"""How a web worker reaches the runner of its journal: it finds it, or starts it, and tries again."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, cast

from outlast.errors import StrangerListens
from outlast.events import hindrances, processes
from outlast.events.event import Event
from outlast.system.ownership import is_trusted, user_named
from outlast.system.peers import peer_of
from outlast.system.place import Place, socket_address
from outlast.system.threads import BackOff

STARTING_TIME = 60.0  # seconds for a runner that is alive and does not listen yet: a busy machine needs 10 for imports
ANSWERING_TIME = 5.0  # seconds for one that listens, or that was faster than ours, until another runner is tried


class Reach:
    """For one web worker, until it `is_over`. With `starts_runner`, it starts one where there is none.

    has_started_runner: it has, so that the one it reaches may be there for this process alone.
    """

    def __init__(self, place: Place, is_over: threading.Event, *, starts_runner: bool) -> None:
        self.place = place
        self.starts_runner = starts_runner
        self.has_started_runner = False
        self._is_over = is_over
        self._has_complained = False
        self._complaint: Event | None = None
        self._stranger = ""  # what was said of one who listens in the runner's place

    def runner(self) -> socket.socket | None:
        """A connection to a living runner; None when there is none and it is not ours to start one."""
        if not self.starts_runner:
            return self._find_worker()
        pauses = BackOff()
        while not self._is_over.is_set():
            connection = self._connect() or self._connect_to_new()
            if connection is not None:
                self._complain(None)
                return connection
            self._is_over.wait(pauses.next())
        return None

    def _connect_to_new(self) -> socket.socket | None:
        """Start a runner. What keeps it from starting may pass: no descriptor or process is left, no interpreter."""
        self.has_started_runner = True
        try:
            starting = start_runner(self.place)
        except OSError as error:
            self._complain(hindrances.RunnerNotStarted(self.place.journal, str(error)))
            return None
        with starting:
            connection = self._connect_within(STARTING_TIME, lambda: is_left(starting))
        connection = connection or self._connect_within(ANSWERING_TIME)
        if connection is None and not self._is_over.is_set():
            self._complain(hindrances.NoRunnerAnswers(self.place.socket))
        return connection

    def _complain(self, what: Event | None) -> None:
        """Say what is wrong once, and that it is over; None: nothing is."""
        before, self._complaint = self._complaint, what
        if what is not None and what != before:
            what.tell()
        elif before and not what:
            hindrances.RunnerReached(self.place.journal).tell()

    def _find_worker(self) -> socket.socket | None:
        connection = self._connect_within(1.0)
        if connection is None and not self._has_complained:
            processes.NoWorker(self.place.journal).tell()
        self._has_complained = connection is None
        return connection

    def _connect_within(self, seconds: float, is_vain: Callable[[], bool] = lambda: False) -> socket.socket | None:
        deadline = time.monotonic() + seconds
        while not (connection := self._connect()):
            if self._is_over.wait(0.01) or time.monotonic() > deadline or is_vain():
                return None
        return connection

    def _connect(self) -> socket.socket | None:
        try:
            return connected(self.place)
        except StrangerListens as error:
            if str(error) != self._stranger:
                hindrances.StrangerAnswers(str(error)).tell()
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


def start_runner(place: Place) -> IO[bytes]:
    """Start a runner for the journal at `place`, in a session of its own, holding nothing of this process but stderr.

    It detaches at once, so that this process never has it as a child. Returns the end of a pipe, of which it leaves the
    other one when it listens, or ends. Raises OSError.
    """
    command = [sys.executable, "-P", "-m", "outlast.runner", str(place.journal)]
    command += ["--shared-folder"] if place.is_shared else []
    command += [f"--state={place.state.parent}"] if place.state != place.folder else []
    null = subprocess.DEVNULL
    errors = None if is_open(2) else null
    process = subprocess.Popen(command, stdin=null, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
    process.wait()
    return cast("IO[bytes]", process.stdout)


def is_left(pipe: IO[bytes]) -> bool:
    """Whether nobody has the other end any more."""
    poll = select.poll()
    poll.register(pipe, 0)
    return bool(poll.poll(0))


def is_open(descriptor: int) -> bool:
    """Whether a file descriptor of this process is."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
