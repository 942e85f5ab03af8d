"""Where the processes that share a journal meet on a machine: the files beside it, named after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

DEFAULT_JOURNAL = "journal.db"
LONGEST_PATH = 107  # bytes in sockaddr_un
LONGEST_PREFIX = 64  # bytes: a socket's address has room for about a hundred


@dataclass(frozen=True, slots=True)
class Address:
    """A place as one process tells another of it.

    path: the journal's, as the sender sees it. device, inode: its folder, whose path may be another one elsewhere
    (containers that share a volume); both 0 in a message of a version that did not tell.
    """

    path: str = ""
    device: int = 0
    inode: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of a journal, that in which its processes meet, and the names of what is ours in them.

    The default journal's files have the names they have always had, those of any other begin with its name, so that
    two journals in one folder have nothing in common.

    name: the journal's file name. is_shared: whether others may write to the folders with the user's consent
    (setting `shared_folder`). state: where socket and black boxes are (setting `state_folder`). The locks stay beside
    the journal: by them there is one runner, however its processes are set up, and nobody dead is taken for alive.
    """

    folder: Path
    name: str
    is_shared: bool
    state: Path

    @classmethod
    def of(cls, journal: Path, *, is_shared: bool = False, state: Path | None = None) -> Place:
        """That of the journal in a file, by which its processes meet if there is no folder for that: `state`.

        In that one journals of one name in several folders may meet, too: each folder has one of its own in it.
        """
        if state is None:
            return cls(journal.parent, journal.name, is_shared, journal.parent)
        real = os.fsencode(os.path.realpath(journal.parent))
        return cls(journal.parent, journal.name, is_shared, state / format(crc32(real), "08x"))

    @property
    def folders(self) -> tuple[Path, ...]:
        """Both, or the one that is both."""
        return tuple(dict.fromkeys((self.folder, self.state)))

    @property
    def journal(self) -> Path:
        """The file of a SQLite journal."""
        return self.folder / self.name

    @property
    def prefix(self) -> str:
        """What the names of all visible files but the journal's begin with: its name, or a checksum of a long one."""
        if self.name == DEFAULT_JOURNAL:
            return ""
        name = os.fsencode(self.name)
        return f"{self.name if len(name) <= LONGEST_PREFIX else format(crc32(name), '08x')}."

    @property
    def socket(self) -> Path:
        """Where the runner listens."""
        return self.file("runner.sock")

    @property
    def locks(self) -> Path:
        """The file with a lock for each living process."""
        return self.folder / f"{self.prefix}processes.lock"

    @property
    def presence(self) -> Path:
        """The file by whose lock it is known whether anybody has the journal open."""
        return self.folder / f".{self.name}.lock"

    @property
    def stash(self) -> Path:
        """The folder with the files that are kept for tasks."""
        return self.folder / f"{self.prefix}stash"

    @property
    def turns(self) -> Path:
        """The file whose lock is held by whoever puts a journal to its path."""
        return self.folder / f".{self.name}.turns"

    def file(self, name: str) -> Path:
        """A file of this journal alone, where its processes meet."""
        return self.state / f"{self.prefix}{name}"

    def owners(self) -> frozenset[int]:
        """The users, beside this one and root, whose files are taken for ours: whoever owns a folder that is shared."""
        try:
            return frozenset({self.folder.stat().st_uid} if self.is_shared else ())
        except OSError:
            return frozenset()

    def address(self) -> Address:
        """For another process. Raises OSError when the folder is not there."""
        found = self.folder.stat()
        return Address(str(self.journal), found.st_dev, found.st_ino)

    def is_meant_by(self, address: Address) -> bool:
        """Whether an address is that of this place; one that does not tell is taken for it."""
        if not address.path:
            return True
        try:
            own = self.address()
        except OSError:  # the folder was taken away: only the name is left to tell
            own = address
        has_name = os.path.basename(address.path) == self.name  # noqa: PTH119 - a path of another process's
        return has_name and (address.device, address.inode) == (own.device, own.inode)


@contextmanager
def socket_address(place: Place) -> Iterator[str]:
    """The address of the runner's socket, through a descriptor of its folder where the path is too long."""
    plain = str(place.socket)
    if len(os.fsencode(plain)) <= LONGEST_PATH:
        yield plain
        return
    descriptor = os.open(place.state, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{place.socket.name}"
    finally:
        os.close(descriptor)
