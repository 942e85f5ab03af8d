"""The folder beside a journal in which files are kept for tasks.

A file is named by chance, and only that name ever stands in a journal. Whoever has one open that is to stay holds a
lock on it, which is gone with the last who has: so nobody who is dead keeps one, and nobody who lives loses one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from outlast.system.ownership import NOT_FOLLOWED, others_who_write, why_not_own
from outlast.system.place import Place

NAME = re.compile(r"[0-9a-f]{32}")


class Stash:
    """Of one journal. Every method raises OSError."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.path = place.stash

    def make(self) -> tuple[str, BinaryIO]:
        """A new file that nobody else may read, open and held; and its name. The folder is made if it is not there."""
        with suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
            with _opened_folder(self.path.parent) as above:
                os.fsync(above)
        name = secrets.token_hex(16)
        with self._folder() as folder:
            made = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | NOT_FOLLOWED, 0o600, dir_fd=folder)
        fcntl.flock(made, fcntl.LOCK_SH)
        return name, os.fdopen(made, "w+b")

    def keep(self, file: BinaryIO) -> None:
        """What was written outlasts the power."""
        file.flush()
        os.fsync(file.fileno())
        with self._folder() as folder:
            os.fsync(folder)

    def open(self, name: str) -> BinaryIO:
        """That file, to be read, and held while it is open. Nothing that a name could lead to elsewhere."""
        with self._folder() as folder:
            descriptor = _opened(name, folder)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return os.fdopen(descriptor, "rb")

    def names(self) -> list[str]:
        """Of all that are there."""
        try:
            with self._folder() as folder:
                return [one for one in os.listdir(folder) if NAME.fullmatch(one)]  # noqa: PTH208 - of the folder that was looked at
        except FileNotFoundError:
            return []

    def is_held(self, name: str) -> bool:
        """Whether anybody who lives has it open."""
        with self._folder() as folder, _locked(name, folder) as is_free:
            return not is_free

    def remove(self, name: str) -> bool:
        """Whether it is gone: not while somebody holds it."""
        with self._folder() as folder, _locked(name, folder) as is_free:
            if is_free:
                os.unlink(name, dir_fd=folder)
            return is_free

    @contextmanager
    def _folder(self) -> Iterator[int]:
        with _opened_folder(self.path, NOT_FOLLOWED) as folder:
            found = os.fstat(folder)
            who = others_who_write(found)
            if who and not (self._place.is_shared and found.st_uid in self._place.owners()):
                raise PermissionError(errno.EPERM, who, str(self.path))
            yield folder


@contextmanager
def _opened_folder(path: Path, flags: int = os.O_CLOEXEC) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | flags)
    try:
        yield folder
    finally:
        os.close(folder)


def _opened(name: str, folder: int) -> int:
    if not NAME.fullmatch(name):
        raise FileNotFoundError(errno.ENOENT, "that is no name of a stashed file", name)
    descriptor = os.open(name, os.O_RDONLY | NOT_FOLLOWED, dir_fd=folder)
    if why := why_not_own(os.fstat(descriptor)):
        os.close(descriptor)
        raise PermissionError(errno.EPERM, why, name)
    return descriptor


@contextmanager
def _locked(name: str, folder: int) -> Iterator[bool]:
    """A block in which nobody else holds it, if nobody does: whether that is so."""
    descriptor = _opened(name, folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)
