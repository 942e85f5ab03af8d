"""What a move of tasks writes beside their rows: its event, and whom it lets begin."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import apsw

from outlast.engines import statements as sql
from outlast.engines.rows import event_row

Happened = tuple[int, str, int, str | None, str | None]
"""To a task: (task, kind, attempt, reason, traceback)."""


def note(connection: apsw.Connection, happened: Iterable[Happened], now: float) -> None:
    """Write events."""
    connection.executemany(sql.NOTE, (event_row(now, event) for event in happened))


def free_followers(connection: apsw.Connection, ended: Sequence[int]) -> None:
    """Whoever followed one of these follows whom that one did, as long as that has not ended; then nobody."""
    if ended:
        followed = connection.execute(sql.FOLLOWED, (json.dumps(ended),)).fetchall()
        connection.executemany(sql.FREE_FOLLOWERS, followed)
