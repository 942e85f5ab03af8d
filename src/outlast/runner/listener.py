"""The socket on which web workers reach the runner: made anew when its file is gone, closed to strangers."""

from __future__ import annotations

import errno
import logging
import os
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from outlast import hindrances
from outlast.connection import socket_address
from outlast.errors import JournalUnusable
from outlast.ownership import is_trusted, user_named
from outlast.peers import peer_of
from outlast.place import Place

log = logging.getLogger("outlast")
LOOK = 1.0  # seconds between looks at the socket's file
QUIET = 60.0  # seconds between two lines about strangers
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """`accepted(connection)` is called for each caller who is of this user, or root.

    Raises JournalUnusable when it cannot listen, for example since somebody else's file is in the way.
    """

    def __init__(
        self, place: Place, selector: selectors.BaseSelector, accepted: Callable[[socket.socket], None]
    ) -> None:
        self._place = place
        self._selector = selector
        self._accepted = accepted
        self._is_paused = False
        self._complaint = ""
        self._strangers = 0
        self._next_look = self._next_stranger = 0.0
        self._socket = self._listening()
        self._inode = _inode_of(place.socket)

    def keep(self, now: float) -> None:
        """Listen again, once a second: after a pause, or when the socket's file is no longer there, or another one."""
        if now < self._next_look:
            return
        self._next_look = now + LOOK
        if self._is_paused:
            self._is_paused = False
            self._selector.register(self._socket, selectors.EVENT_READ, self._accept)
        if _inode_of(self._place.socket) != self._inode:
            self._listen_anew()

    def complain(self, error: object) -> None:
        """Why nobody can connect, once."""
        if str(error) != self._complaint:
            self._complaint = str(error)
            log.error("%s", hindrances.nobody_can_connect(self._place.socket, error))

    def close(self) -> None:
        """Stop listening."""
        self._stop()
        with suppress(OSError):  # a folder that was made read-only: the next runner puts its own there
            self._place.socket.unlink(missing_ok=True)

    def _listen_anew(self) -> None:
        """Ours is the lock, so the path is, too: nobody else could let web workers in."""
        try:
            listener = self._listening()
        except JournalUnusable as error:
            self.complain(error)
            return
        self._stop()
        self._socket, self._inode = listener, _inode_of(self._place.socket)
        log.warning("%s", hindrances.listens_anew(self._place.socket))

    def _stop(self) -> None:
        if not self._is_paused:
            self._selector.unregister(self._socket)
        self._is_paused = False
        self._socket.close()

    def _listening(self) -> socket.socket:
        try:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:  # no descriptor is left
            raise JournalUnusable(hindrances.cannot_listen(self._place.socket, error)) from error
        try:
            self._place.socket.unlink(missing_ok=True)  # of a dead runner: ours is the lock
            self._bind(listener)
        except OSError as error:
            listener.close()
            raise JournalUnusable(hindrances.cannot_listen(self._place.socket, error)) from error
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        return listener

    def _bind(self, listener: socket.socket) -> None:
        old_mask = os.umask(0o077)
        try:
            with socket_address(self._place) as address:
                listener.bind(address)
        finally:
            os.umask(old_mask)
        listener.listen(128)

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError as error:  # or it gave up before we came
            if error.errno in EXHAUSTED:
                self._pause(error)
            return
        self._complaint = ""
        if self._knows(connection):
            self._accepted(connection)
        else:
            connection.close()

    def _pause(self, error: OSError) -> None:
        """Who wants to connect makes the listener ready all the time, and cannot be taken: look again in a second."""
        self._is_paused = True
        self._selector.unregister(self._socket)
        self.complain(error)

    def _knows(self, connection: socket.socket) -> bool:
        """Whether a caller is of this user, or root; nothing is read from any other."""
        try:
            user = peer_of(connection).uid
        except OSError:  # it has hung up
            return False
        if not is_trusted(user):
            self._tell_of_stranger(user)
        return is_trusted(user)

    def _tell_of_stranger(self, user: int) -> None:
        """Now and then: it may call as often as it likes."""
        self._strangers += 1
        if time.monotonic() >= self._next_stranger:
            log.warning("%s", hindrances.stranger_called(user_named(user), self._strangers))
            self._next_stranger, self._strangers = time.monotonic() + QUIET, 0


def _inode_of(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
