"""Which processes are alive: each holds a lock on one byte of a shared file, and the kernel drops it at any death.

POSIX record locks, not flock: flock stays held by children that the owner forked, so a dead process looks alive
(measured). Their own trap is that any close of the file by the owner drops all its locks, so a process opens the
file once and keeps it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import weakref
from collections.abc import Iterable
from contextlib import closing

from outlast.system.ownership import open_own
from outlast.system.place import Place
from outlast.system.process import this

_RUNNER_BYTE = 0  # ids of processes start at 1
_FLOCK = "hhqqi" if sys.platform == "linux" else "qqihh"


class Liveness:
    """The locks of the processes that share a journal. One instance per process and place."""

    def __init__(self, place: Place) -> None:
        self._descriptor = open_own(place.locks, os.O_RDWR | os.O_CREAT, place.owners())

    def close(self) -> None:
        """Give back the file, and with it every lock of this process."""
        os.close(self._descriptor)

    def hold(self, process_id: int) -> None:
        """Say that this process is the one with this id (row), until it dies."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, process_id)

    def become_runner(self) -> bool:
        """Take the lock that only one runner can have. False when another one has it."""
        try:
            self.hold(_RUNNER_BYTE)
        except OSError:
            return False
        return True

    def holder(self, process_id: int) -> int | None:
        """The pid of the living process with this id; None when it is dead. 0: alive, in another pid namespace.

        Never True for a process asking about itself: its own locks do not stand in its way.
        """
        question = _pack(fcntl.F_WRLCK, process_id, 1)
        kind, pid = _unpack(fcntl.fcntl(self._descriptor, fcntl.F_GETLK, question))
        return None if kind == fcntl.F_UNLCK else pid

    def runner(self) -> int | None:
        """The pid of the living runner, None when there is none."""
        return self.holder(_RUNNER_BYTE)


def living_runner(place: Place) -> int | None:
    """The pid of the living runner of the journal at `place`; None when there is none, or nobody may ask."""
    try:
        return liveness_here(place).runner() if place.locks.exists() else None
    except OSError:
        return None


def living_among(place: Place, processes: Iterable[int]) -> set[int]:
    """Those of these processes (ids) that live; all when nobody may ask. Not for one that holds a lock there."""
    try:
        if not place.locks.exists():
            return set()
        with closing(Liveness(place)) as asked:
            return {one for one in processes if asked.holder(one) is not None}
    except OSError:
        return set(processes)


def _pack(kind: int, start: int, length: int) -> bytes:
    if sys.platform == "linux":
        return struct.pack(_FLOCK, kind, os.SEEK_SET, start, length, 0)
    return struct.pack(_FLOCK, start, length, 0, kind, os.SEEK_SET)


def _unpack(answer: bytes) -> tuple[int, int]:
    fields = struct.unpack(_FLOCK, answer)
    return (fields[0], fields[4]) if sys.platform == "linux" else (fields[3], fields[2])


def liveness_here(place: Place) -> Liveness:
    """That of this process, which is open as long as anybody in it keeps it: apps may share a journal."""
    one: Liveness | None = this.files.locks.get(place.locks)
    if one is None:
        one = Liveness(place)
        one = this.files.locks.setdefault(place.locks, one)
        weakref.finalize(one, os.close, one._descriptor)
    return one
