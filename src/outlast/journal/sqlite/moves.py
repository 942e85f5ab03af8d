"""What a move of tasks writes beside their rows: an event if it is out of the ordinary, and whom it lets begin."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from outlast.events import endings
from outlast.journal.sqlite import statements as sql
from outlast.journal.sqlite.rows import event_row
from outlast.tasks.task import State

Happened = tuple[int, str, int, str | None, str | None]
"""To a task: (task, kind, attempt, reason, traceback)."""


def note(connection: apsw.Connection, happened: Iterable[Happened], now: float) -> None:
    """Write events. Before the first one of an attempt comes its start, which was a column until now."""
    happened = list(happened)
    if attempts := [task for task, kind, attempt, *_ in happened if attempt and kind != "started"]:
        connection.execute(sql.KEEP_START, (json.dumps(attempts),))
    connection.executemany(sql.NOTE, (event_row(now, event) for event in happened))


def keep_story(connection: apsw.Connection, tasks: str) -> None:
    """Write as events what columns tell of these tasks (JSON), which are about to be told otherwise."""
    connection.execute(sql.KEEP_START, (tasks,))
    connection.execute(sql.KEEP_DONE, (tasks,))


def free_followers(connection: apsw.Connection, ended: Sequence[int]) -> None:
    """Whoever followed one of these follows whom that one did, as long as that has not ended; then nobody.

    What waits for several follows the next of them.
    """
    if ended:
        ids = json.dumps(ended)
        followed = connection.execute(sql.FOLLOWED, (ids,)).fetchall()
        if any(may_wait_for_more for _, may_wait_for_more in followed):
            connection.execute(sql.STAY_BEHIND, (ids,))
        connection.executemany(sql.FREE_FOLLOWERS, ((one,) for one, _ in followed))


def tell_end_of(row: Sequence[Any], state: State, reason: str) -> None:
    """Of a task that nobody else knows of, from its columns `sql.TOLD_COLUMNS`."""
    task, function, attempt, lane, queue = row
    name, where, line = ((text or b"").decode(errors="replace") for text in (function, lane, queue))
    it = endings.about(task, name, attempt, where, line)
    endings.tell_end(state.label, reason, it)


def moved(connection: apsw.Connection, statement: str, bindings: Iterable[Sequence[Any]]) -> list[int]:
    """The tasks that a statement has moved, which returns their ids."""
    return [int(row[0]) for row in connection.executemany(statement, bindings)]


def unknown(connection: apsw.Connection, tasks: Iterable[int]) -> set[int]:
    """Those of `tasks` that the journal does not have."""
    return {int(one) for (one,) in connection.execute(sql.UNKNOWN, (json.dumps(list(tasks)),))}
