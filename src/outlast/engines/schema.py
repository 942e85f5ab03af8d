"""The versions of the journal's schema, and the way from an older one to this one."""

from __future__ import annotations

import logging
from importlib.resources import files
from pathlib import Path

import apsw

from outlast import events
from outlast.errors import JournalUnusable

log = logging.getLogger("outlast")
LARGE = 100 << 20  # bytes from which on a migration may take longer than a request waits
STEPS = ("schema.sql", "schema_2.sql", "schema_3.sql", "schema_4.sql", "schema_5.sql")
"""The file that leads to version 1, 2, …. One that was released is never changed: the next step mends it."""

SCHEMA_VERSION = len(STEPS)


def version_of(connection: apsw.Connection) -> int:
    """The version of the schema in an open journal; 0 in a file that was made a moment ago."""
    return int(connection.pragma("user_version"))


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
        raise JournalUnusable(events.journal_newer(path, found, SCHEMA_VERSION))
    return found == SCHEMA_VERSION


def _take_steps(connection: apsw.Connection, path: Path, found: int) -> None:
    size = int(connection.pragma("page_count")) * int(connection.pragma("page_size"))
    if found and size > LARGE:
        log.warning("%s", events.journal_migrates(path, size, found, SCHEMA_VERSION))
    for step in STEPS[found:]:
        connection.execute(files("outlast.engines").joinpath(step).read_text(encoding="utf-8"))
    connection.pragma("user_version", SCHEMA_VERSION)
