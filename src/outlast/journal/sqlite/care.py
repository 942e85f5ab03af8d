"""The care of a SQLite journal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from outlast.errors import JournalUnusable
from outlast.journal.care import Care, Health
from outlast.journal.sqlite.opening import connect, require
from outlast.journal.sqlite.reading import WITH_RETENTION
from outlast.journal.sqlite.schema import SCHEMA_VERSION, strange_tables, version_of
from outlast.journal.turn import Retention
from outlast.text import in_one_line

PATIENCE = 10.0  # seconds to wait for others that write
MOST_FAULTS = 20
_RETENTION = "SELECT done, count, failed FROM retention"
AT_ONCE = 1_000  # pages that are copied together
Further = Callable[[int, int], object]


class SqliteCare(Care):
    """Of the journal at `path`. Raises JournalMissing when there is none, JournalUnusable when it cannot be opened."""

    def __init__(self, path: Path) -> None:
        require(path)
        self._path = path

    def health(self) -> Health:
        with self._opened(read_only=True) as connection:
            found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({MOST_FAULTS})")]
            return self._health(connection, () if found == ["ok"] else tuple(found))

    def sizes(self) -> Health:
        with self._opened(read_only=True) as connection:
            return self._health(connection)

    def strange_tables(self) -> list[str]:
        with self._opened(read_only=True) as connection:
            return strange_tables(connection)

    def retention(self) -> Retention | None:
        with self._opened(read_only=True) as connection:
            is_old = version_of(connection) < WITH_RETENTION
            found: list[Any] = [] if is_old else connection.execute(_RETENTION).fetchall()
        return Retention(*found[0]) if found else None

    def vacuum(self) -> Health:
        with self._opened(read_only=False) as connection:
            connection.execute("VACUUM")
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            return self._health(connection)

    def backup(self, target: Path, further: Further = lambda *_: None) -> int:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            with self._opened(read_only=True) as source:
                _copy(source, target, further)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return target.stat().st_size

    def _health(self, connection: apsw.Connection, faults: tuple[str, ...] = ()) -> Health:
        page = int(connection.pragma("page_size"))
        log = Path(f"{self._path}-wal")
        return Health(
            size=int(connection.pragma("page_count")) * page,
            log=log.stat().st_size if log.exists() else 0,
            free=int(connection.pragma("freelist_count")) * page,
            version=version_of(connection),
            newest=SCHEMA_VERSION,
            faults=faults,
        )

    @contextmanager
    def _opened(self, *, read_only: bool) -> Iterator[apsw.Connection]:
        try:
            connection = connect(self._path, PATIENCE, read_only=read_only)
            try:
                yield connection
            finally:
                connection.close()
        except apsw.Error as error:
            raise JournalUnusable(f"the journal {self._path}: {in_one_line(error)}") from error


def _copy(source: apsw.Connection, target: Path, further: Further) -> None:
    """All pages of one moment: a read transaction holds it. Then a file that needs no log beside it."""
    copy = apsw.Connection(str(target))
    try:
        source.execute("BEGIN; SELECT 1 FROM sqlite_schema").fetchall()
        with copy.backup("main", source, "main") as backup:
            while not backup.step(AT_ONCE):
                further(backup.page_count - backup.remaining, backup.page_count)
        copy.pragma("journal_mode", "delete")
    finally:
        copy.close()
