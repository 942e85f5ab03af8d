"""How a SQLite journal is opened, by apsw alone, and what SQLite's errors mean for whoever reads them at night."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from outlast.errors import JournalBusy, JournalMissing, JournalUnusable, NotAJournal, StoreFailed, TaskRefused
from outlast.events import hindrances, journal
from outlast.journal.sqlite.schema import is_journal
from outlast.system.ownership import inode_of
from outlast.system.process import this
from outlast.text import in_one_line

CHECKING_TIME = 1.0  # seconds of the write lock at most
BUSY_SLEEP = 0.0002  # seconds; SQLite's own back-off starves one of two writers (measured)
MAGIC = b"SQLite format 3\0"
LARGEST_LOG = 16 << 20  # bytes that the write-ahead log keeps on disk once a long reader has let go of it

_BUSY = (apsw.BusyError, apsw.LockedError)
_REFUSED = (apsw.ConstraintError, apsw.TooBigError, apsw.RangeError, apsw.MismatchError)
_NO_VALUE = (ValueError, OverflowError, TypeError)  # what Python raises for a value that SQLite cannot hold
_DAMAGED = (apsw.CorruptError, apsw.NotADBError)
_CLOSED_TO_US = (apsw.CantOpenError, apsw.PermissionsError)


def connect(path: Path, patience: float, *, read_only: bool = False) -> apsw.Connection:
    """A connection to a journal that is there, set up as every process must: WAL, FULL, `patience` s for the lock.

    Closing it leaves the write-ahead log alone: SQLite would delete it by its path, where another journal's may lie by
    then. Raises JournalUnusable for an empty file, of which SQLite would make a new journal beside the log of the old,
    and NotAJournal for a database of somebody else's, to which nothing is done.
    """
    if path.exists() and path.stat().st_size == 0:
        raise JournalUnusable(journal.journal_damaged(path, "it is empty"))
    connection = _opened(path, patience)
    if read_only:
        connection.pragma("query_only", True)
        return connection
    if connection.readonly("main"):  # SQLite has settled for that, and would stay with it when the file can be written
        connection.close()
        raise JournalUnusable(journal.journal_closed(path, "it can only be read"))
    make_durable(connection, patience)
    return connection


def make_durable(connection: apsw.Connection, patience: float) -> None:
    """What a commit has written is on the disk when it returns, and a large log is cut."""
    switch_to_wal(connection, patience)
    connection.pragma("synchronous", "full")
    connection.pragma("fullfsync", True)  # macOS: fsync alone does not reach the disk there
    connection.pragma("temp_store", "memory")
    connection.pragma("cache_size", -16384)
    connection.pragma("journal_size_limit", LARGEST_LOG)


def _opened(path: Path, patience: float) -> apsw.Connection:
    """A database of somebody else's is looked into once, and stays open: to do so again, or to close it, would drop the
    locks that the app itself has on it by another SQLite, since those of POSIX are the process's.
    """
    inode = inode_of(path)
    if any(inode == known for known, _ in this.files.others):
        raise NotAJournal(journal.not_a_journal(path))
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.set_busy_handler(_patient(patience))
    if not is_journal(connection):
        this.files.others.append((inode, connection))
        raise NotAJournal(journal.not_a_journal(path))
    return connection


def require(path: Path) -> None:
    """Raises JournalMissing when there is no journal, JournalUnusable when this user may not know."""
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        raise JournalMissing(journal.no_journal(path)) from None
    except OSError as error:
        raise JournalUnusable(journal.journal_closed(path, error.strerror)) from error
    if is_folder:
        raise JournalUnusable(journal.journal_is_folder(path))


def switch_to_wal(connection: apsw.Connection, patience: float) -> None:
    """SQLite asks no busy handler here: two processes that open a journal at once have to be told to wait."""
    deadline = time.monotonic() + patience
    while connection.pragma("journal_mode") != "wal":
        try:
            connection.pragma("journal_mode", "wal")
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(BUSY_SLEEP)


def begins_as_a_journal(connection: apsw.Connection) -> bool:
    """Whether the file still begins as SQLite files do; read through SQLite, since nobody else may open it."""
    return connection.read("main", 0, 0, len(MAGIC)) == (True, MAGIC)


def shows_damage(error: apsw.Error) -> bool:
    """Whether SQLite says by it that a file is not what it has been, for example shorter."""
    return isinstance(error, _DAMAGED) or getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHORT_READ


def is_damaged(connection: apsw.Connection) -> bool:
    """Whether SQLite itself finds its file damaged; False, too, where it cannot tell in a moment."""
    deadline = time.monotonic() + CHECKING_TIME
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)])
    except apsw.Error as error:  # it is malformed, or the time is over
        return shows_damage(error)
    finally:
        connection.set_progress_handler(None)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """What SQLite says as StoreFailed (for now), JournalUnusable (until somebody does something) or TaskRefused.

    Only SQLite can say that a journal is damaged, and only of what is known to be about a value it is said that it is
    refused: whatever else there may be is tried again, and costs nothing.
    """
    try:
        yield
    except _BUSY as error:
        raise JournalBusy(journal.journal_not_written(path, error)) from error
    except _REFUSED as error:
        raise TaskRefused(hindrances.value_refused(path, in_one_line(error))) from error
    except _CLOSED_TO_US as error:
        raise JournalUnusable(journal.journal_closed(path, error)) from error
    except apsw.Error as error:
        if shows_damage(error):
            raise JournalUnusable(journal.journal_damaged(path, error)) from error
        raise StoreFailed(journal.journal_not_written(path, in_one_line(error))) from error
    except _NO_VALUE as error:
        raise TaskRefused(hindrances.value_refused(path, in_one_line(error))) from error


def _patient(patience: float) -> Any:
    began = 0.0

    def wait(tries: int) -> bool:
        nonlocal began
        now = time.monotonic()
        began = now if tries == 0 else began
        time.sleep(BUSY_SLEEP)
        return now - began < patience

    return wait


def write_back(connection: apsw.Connection) -> None:
    """Let the file alone be the whole journal, unless somebody still reads: nobody waits for that."""
    connection.set_busy_handler(None)
    with suppress(apsw.Error):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
