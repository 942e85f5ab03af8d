"""The file of a SQLite journal: which one is at the path, and how a journal gets there, whole or not at all.

A file that was deleted or moved away while it is open lives on for those who have it open. The first of them to notice
puts all that is in it back to the path, under SQLite's own write lock, so that nobody writes to the old one meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import apsw

from outlast.errors import JournalBusy
from outlast.events import journal
from outlast.journal.location import SIDES, prepare_folder
from outlast.journal.sqlite.opening import shows_damage, switch_to_wal
from outlast.journal.sqlite.schema import migrate
from outlast.system.ownership import inode_of, open_own
from outlast.system.place import Place

LOOK = 0.01  # seconds between looks for a file that somebody else puts back
Inode = tuple[int, int]
TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
TRIGGERS = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"  # some are made when there is use for them


@dataclass(frozen=True, slots=True)
class Identity:
    """Which files are at a journal's path; None for what is missing. Two journals never have one identity."""

    file: Inode | None
    log: Inode | None
    index: Inode | None

    @classmethod
    def at(cls, path: Path) -> Identity:
        """As it is now. Costs three `stat`; opens nothing."""
        name = str(path)
        return cls(*(inode_of(name + side) for side in SIDES))


NOWHERE = Identity(None, None, None)


class Presence:
    """That this process has the journal at `place` open, for whoever finds no file there and would make an empty one.

    Held by a lock of its own, in a hidden file that nobody deletes by the way. Raises JournalBusy when the file stays
    away for `patience` seconds although somebody has it open, who puts it back as soon as he looks.
    """

    def __init__(self, place: Place, patience: float) -> None:
        self._file = open_own(place.presence, os.O_RDWR | os.O_CREAT, place.owners())
        self.close = weakref.finalize(self, os.close, self._file)
        try:
            self._enter(place.journal, patience)
        except BaseException:
            self.close()
            raise

    def _enter(self, path: Path, patience: float) -> None:
        deadline = time.monotonic() + patience
        while not path.exists():
            if _has_locked(self._file, fcntl.LOCK_EX):
                if not path.exists():
                    _place(path, _draft(path, patience), keeps=True)
            elif time.monotonic() > deadline:
                raise JournalBusy(journal.journal_not_written(path, "it is gone, and who has it open did not look yet"))
            else:
                time.sleep(LOOK)
        _lock(self._file, fcntl.LOCK_SH, path, patience)


def _lock(descriptor: int, how: int, path: Path, patience: float) -> None:
    """Raises JournalBusy when somebody else keeps the lock for `patience` seconds: he may be stopped."""
    deadline = time.monotonic() + patience
    while not _has_locked(descriptor, how):
        if time.monotonic() > deadline:
            raise JournalBusy(journal.journal_not_written(path, "another process puts a file there"))
        time.sleep(LOOK)


def _has_locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def put_back(place: Place, lost: apsw.Connection, identity: Identity, patience: float) -> None:
    """Make a journal at `place` of what is in `lost`, which is open and was the one there (`identity`).

    Does nothing when somebody else has put another one there. If `lost` cannot be read to its end, the new one is
    empty. Raises apsw.Error or OSError when there is no room, for example, and JournalBusy when somebody else is at it.
    """
    prepare_folder(place)
    path = place.journal
    with _alone(place, patience):
        if Identity.at(path).file not in (None, identity.file):
            return
        draft = _draft(path, patience)
        try:
            is_whole = _is_copied(lost, draft)
            aside = ", ".join(map(str, _place(path, draft, keeps=not is_whole)))
        finally:
            with suppress(apsw.Error):
                lost.execute("ROLLBACK")
    (journal.JournalPutBack(path, aside) if is_whole else journal.JournalBegunAnew(path, aside)).tell()


@contextmanager
def _alone(place: Place, patience: float) -> Iterator[None]:
    """One at a time of those who have a journal open, by a lock on a file for that alone.

    To close a journal's own file would drop SQLite's locks on it, and the folder can be locked by whoever may read it.
    """
    file = open_own(place.turns, os.O_RDWR | os.O_CREAT, place.owners())
    try:
        _lock(file, fcntl.LOCK_EX, place.journal, patience)
        yield
    finally:
        os.close(file)


def _draft(path: Path, patience: float) -> Path:
    """An empty journal beside `path` that nobody knows yet."""
    draft = path.with_name(f"{path.name}.new")
    for side in SIDES:
        Path(f"{draft}{side}").unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL, 0o600))
    connection = apsw.Connection(str(draft))
    try:
        switch_to_wal(connection, patience)
        migrate(connection, path)
    finally:
        connection.close()
    return draft


def _is_copied(lost: apsw.Connection, draft: Path) -> bool:
    """Whether every row of `lost` could be read, and is in `draft` now. From then on nobody else writes to `lost`.

    Row by row, since SQLite copies no pages of a file whose write lock is held, and opens none that has no name.
    """
    copy = apsw.Connection(str(draft))
    try:
        lost.execute("BEGIN IMMEDIATE")
        with copy:
            for (table,) in lost.execute(TABLES).fetchall():
                rows = lost.execute(f"SELECT * FROM {table}")  # noqa: S608 - a name of our schema
                marks = ", ".join("?" for _ in lost.execute(f"PRAGMA table_info({table})"))
                copy.execute(f"DELETE FROM {table}")  # noqa: S608 - what a new journal begins with
                copy.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608
            for trigger in set(lost.execute(TRIGGERS)).difference(copy.execute(TRIGGERS)):
                copy.execute(str(trigger[1]))
    except (apsw.SQLError, apsw.ConstraintError, UnicodeDecodeError):
        return False
    except apsw.Error as error:
        if not shows_damage(error):
            raise
        return False
    finally:
        copy.close()
    return True


def _place(path: Path, draft: Path, *, keeps: bool) -> list[Path]:
    """Let `draft` be the journal at `path`; returns where the files are kept that lay there, if any did."""
    lost = f"{path}.lost-{time.time_ns()}"
    left = [side for side in SIDES if Path(f"{path}{side}").exists()]
    aside = [Path(f"{path}{side}").rename(f"{lost}{side}") for side in left if keeps]
    for side in left:
        Path(f"{path}{side}").unlink(missing_ok=True)
    draft.rename(path)
    _sync(path.parent)
    return aside


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
