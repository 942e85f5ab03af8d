"""A SQLite journal that is open to be read, also one of an older version."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from outlast.errors import JournalUnusable
from outlast.events import journal
from outlast.journal.sqlite.opening import connect, require
from outlast.journal.sqlite.schema import SCHEMA_VERSION, version_of
from outlast.system.ownership import inode_of
from outlast.text import in_one_line

# the versions that brought them
WITH_INCIDENTS, WITH_HOMES, WITH_RELEASES, WITH_MACHINES = 2, 4, 6, 7
WITH_OPTIONS, WITH_RESULTS, WITH_KEYS, WITH_PROGRESS, WITH_SECRET, WITH_LOGS = 8, 9, 10, 11, 12, 14
WITH_SEQUELS, WITH_STASH, WITH_SCHEDULES = 13, 15, 16
WITH_GATES, WITH_RETENTION = 17, 20
RESERVED = "(state = 2 AND started_at IS NULL)"
"""What a runner has claimed behind another task, which has not ended: to people it waits as any other."""

STATE = f"state - {RESERVED}"


class Reading:
    """Raises JournalMissing when there is none at `path`, JournalUnusable when it is of a newer version."""

    def __init__(self, path: Path) -> None:
        require(path)
        with _readable(path):
            self._connection = connect(path, patience=1.0, read_only=True)
            self.version = version_of(self._connection)
        if not 1 <= self.version <= SCHEMA_VERSION:
            raise JournalUnusable(journal.journal_newer(path, self.version, SCHEMA_VERSION))
        self.path = path
        self._inode = inode_of(str(path))

    def rows(self, query: str, bindings: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        """What is asked for."""
        with _readable(self.path):
            return self._connection.execute(query, bindings).fetchall()

    def version_now(self) -> Hashable:
        """Which one it is, of this file; None when another is at its path, or it has a newer version."""
        if inode_of(str(self.path)) != self._inode or (self.version < SCHEMA_VERSION and self._is_migrated()):
            return None
        return int(self.rows("PRAGMA data_version")[0][0])

    def _is_migrated(self) -> bool:
        return int(self.rows("PRAGMA user_version")[0][0]) != self.version

    def incident_rows(self, columns: str, which: str, bindings: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Of what happened to processes; none in a journal that is older than those."""
        if self.version < WITH_INCIDENTS:
            return []
        return self.rows(f"SELECT {columns} FROM incident {which}", bindings)  # noqa: S608


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (apsw.Error, UnicodeDecodeError) as error:
        raise JournalUnusable(f"the journal {path} cannot be read: {in_one_line(error)}") from error
