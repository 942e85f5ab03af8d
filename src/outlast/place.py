"""Where the processes that share a journal meet on a machine: the files beside it, named after it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

DEFAULT_JOURNAL = "journal.db"
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
    """The folder of a journal and the names of what is ours in it.

    The default journal's files have the names they have always had, those of any other begin with its name, so that
    two journals in one folder have nothing in common.

    name: the journal's file name. is_shared: whether others may write to the folder with the user's consent
    (setting `shared_folder`).
    """

    folder: Path
    name: str
    is_shared: bool = False

    @classmethod
    def of(cls, journal: Path, *, is_shared: bool = False) -> Place:
        """That of the journal in a file."""
        return cls(journal.parent, journal.name, is_shared)

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
        return self.file("processes.lock")

    @property
    def presence(self) -> Path:
        """The file by whose lock it is known whether anybody has the journal open."""
        return self.folder / f".{self.name}.lock"

    @property
    def turns(self) -> Path:
        """The file whose lock is held by whoever puts a journal to its path."""
        return self.folder / f".{self.name}.turns"

    def file(self, name: str) -> Path:
        """A file of this journal alone."""
        return self.folder / f"{self.prefix}{name}"

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
