"""The socket on which web workers reach the runner: made anew when its file is gone, closed to strangers."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from contextlib import suppress

from outlast.errors import JournalUnusable
from outlast.events import hindrances
from outlast.system.ownership import inode_of, is_trusted, user_named
from outlast.system.peers import peer_of
from outlast.system.place import Place, socket_address

LOOK = 1.0  # seconds between looks at the socket's file
QUIET = 60.0  # seconds between two lines about strangers
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """Takes callers who are of this user, or root.

    Raises JournalUnusable when it cannot listen, for example since somebody else's file is in the way.
    """

    def __init__(self, place: Place, selector: selectors.BaseSelector) -> None:
        self._place = place
        self._selector = selector
        self._accepted: list[socket.socket] = []
        self._is_paused = False
        self._complaint = ""
        self._strangers = 0
        self._next_look = self._next_stranger = 0.0
        self._socket = self._listening()
        self._inode = inode_of(place.socket)

    def attend(self) -> None:
        """Somebody calls."""
        try:
            connection, _ = self._socket.accept()
        except OSError as error:  # or it gave up before we came
            if error.errno in EXHAUSTED:
                self._pause(error)
            return
        self._complaint = ""
        if self._knows(connection):
            self._accepted.append(connection)
        else:
            connection.close()

    def accepted(self) -> list[socket.socket]:
        """Who has called since the last time."""
        taken, self._accepted = self._accepted, []
        return taken

    def keep(self, now: float) -> None:
        """Listen again, once a second: after a pause, or when the socket's file is no longer there, or another one."""
        if now < self._next_look:
            return
        self._next_look = now + LOOK
        if self._is_paused:
            self._is_paused = False
            self._selector.register(self._socket, selectors.EVENT_READ, self)
        if inode_of(self._place.socket) != self._inode:
            self._listen_anew()

    def complain(self, error: object) -> None:
        """Why nobody can connect, once."""
        if str(error) != self._complaint:
            self._complaint = str(error)
            hindrances.NobodyCanConnect(self._place.socket, self._complaint).tell()

    def close(self) -> None:
        """Stop listening."""
        for caller in self.accepted():
            caller.close()
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
        self._socket, self._inode = listener, inode_of(self._place.socket)
        hindrances.ListensAnew(self._place.socket).tell()

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
        self._selector.register(listener, selectors.EVENT_READ, self)
        return listener

    def _bind(self, listener: socket.socket) -> None:
        old_mask = os.umask(0o077)
        try:
            with socket_address(self._place) as address:
                listener.bind(address)
        finally:
            os.umask(old_mask)
        listener.listen(128)

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
            hindrances.StrangerCalled(user_named(user), self._strangers).tell()
            self._next_stranger, self._strangers = time.monotonic() + QUIET, 0
