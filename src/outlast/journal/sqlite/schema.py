"""The versions of the journal's schema, and the way from an older one to this one."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import apsw

from outlast.errors import JournalUnusable
from outlast.events import journal

LARGE = 100 << 20  # bytes from which on a migration may take longer than a request waits
STEPS = ("schema.sql", *(f"schema_{version}.sql" for version in range(2, 21)))
"""The file that leads to version 1, 2, …. One that was released is never changed: the next step mends it."""

SCHEMA_VERSION = len(STEPS)
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
ALWAYS = ("id", "state", "lane", "calling", "run_at", "attempt", "crashes", "cuts", "function", "origin")
"""Columns that `task` has in each version, also in those to come: by them a journal is known."""


def version_of(connection: apsw.Connection) -> int:
    """The version of the schema in an open journal; 0 in a file that was made a moment ago."""
    return int(connection.pragma("user_version"))


def is_journal(connection: apsw.Connection) -> bool:
    """Whether an open database is a journal, of whatever version, or else somebody's own. Writes nothing."""
    named = ", ".join(map(repr, ALWAYS))
    query = f"SELECT count(*) FROM pragma_table_info('task') WHERE name IN ({named})"  # noqa: S608
    return bool(version_of(connection)) and connection.execute(query).fetchall() == [(len(ALWAYS),)]


def strange_tables(connection: apsw.Connection) -> list[str]:
    """The tables in an open journal that no version has made."""
    empty = apsw.Connection(":memory:")
    for step in STEPS:
        empty.execute(_statements(step))
    return sorted({str(name) for (name,) in connection.execute(_TABLES)}.difference(*empty.execute(_TABLES)))


def migrate(connection: apsw.Connection, path: Path) -> None:
    """Bring the file to this version's schema, under the write lock. Raises JournalUnusable for a newer one."""
    if _is_current(version_of(connection), path):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = version_of(connection)  # another process may have been here while this one waited for the lock
        if not _is_current(found, path):
            _take_steps(connection, path, found)
        connection.execute("COMMIT")
    finally:
        if not connection.get_autocommit():
            connection.execute("ROLLBACK")


def _is_current(found: int, path: Path) -> bool:
    if found > SCHEMA_VERSION:
        raise JournalUnusable(journal.journal_newer(path, found, SCHEMA_VERSION))
    return found == SCHEMA_VERSION


def _take_steps(connection: apsw.Connection, path: Path, found: int) -> None:
    size = int(connection.pragma("page_count")) * int(connection.pragma("page_size"))
    if found and size > LARGE:
        journal.JournalMigrates(path, size >> 20, found, SCHEMA_VERSION).tell()
    for step in STEPS[found:]:
        connection.execute(_statements(step))
    connection.pragma("user_version", SCHEMA_VERSION)


def _statements(step: str) -> str:
    return files("outlast.journal.sqlite").joinpath(step).read_text(encoding="utf-8")
