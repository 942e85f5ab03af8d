"""What people ask of tasks that are in the journal: not to run, to run again, to be forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import apsw

from outlast.events import endings, waits
from outlast.journal.sqlite import logs, sequels
from outlast.journal.sqlite import statements as sql
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.moves import free_followers, keep_story, note, tell_end_of
from outlast.tasks.outcome import unless_cancelled
from outlast.tasks.task import UNFINISHED, Settlement, State


def cancel(file: JournalFile, ids: Iterable[int]) -> dict[int, bool]:
    """Cancel what has not begun, mark what runs; returns which of those that are known will not finish."""
    connection, now = file.opened, file.now
    wanted = json.dumps(list(ids))
    rows: list[Any] = connection.execute(sql.CANCEL, (now, endings.CANCELLED_BEFORE, wanted)).fetchall()
    for row in rows:
        tell_end_of(row, State.CANCELLED, endings.CANCELLED_BEFORE)
    ended = [row[0] for row in rows]
    note(connection, ((one, "cancelled", 0, endings.CANCELLED_BEFORE, None) for one in ended), now)
    sequels.go_on(file, ended)
    marked: list[Any] = connection.execute(sql.MARK, (now, wanted)).fetchall()
    note(connection, ((one, "cancelling", attempt, None, None) for one, attempt in marked), now)
    return {one: bool(stops) for one, stops in connection.execute(sql.WILL_NOT_FINISH, (wanted,))}


def with_cancels(connection: apsw.Connection, settlements: Iterable[Settlement]) -> Iterator[Settlement]:
    """What was marked as to be cancelled does not wait again. Only here it is known, and so said, that it has ended."""
    for one in settlements:
        marked: Any = one.state in UNFINISHED and connection.execute(sql.MARKED, (one.id, one.attempt)).fetchone()
        if not marked:
            yield one
            continue
        cancelled = unless_cancelled(one)
        tell_end_of(marked, State.CANCELLED, cancelled.reason)
        yield cancelled


def retry(connection: apsw.Connection, ids: Iterable[int], now: float) -> dict[int, bool]:
    """Let those wait that have ended or are parked, behind nobody; returns of those that are known which wait now."""
    wanted = json.dumps(list(ids))
    known = _known(connection, wanted)
    keep_story(connection, wanted)
    moved: list[Any] = connection.execute(sql.RETRY, (wanted,)).fetchall()
    note(connection, ((one, "retried", attempt, waits.RETRIED, None) for one, attempt in moved), now)
    waiting = {one for one, _ in moved}
    return {one: one in waiting for one in known}


def delete(file: JournalFile, ids: Iterable[int]) -> dict[int, bool]:
    """Forget those that have ended or are parked, and what happened to them; returns of those that are known which."""
    connection = file.opened
    wanted = json.dumps(list(ids))
    known = _known(connection, wanted)
    gone = [int(one) for (one,) in connection.execute(sql.DELETABLE, (wanted,))]
    free_followers(connection, gone)
    connection.execute(sql.DELETE, (json.dumps(gone),))
    connection.execute(sql.PRUNE_EVENTS, (json.dumps(gone),))
    logs.forget(connection, gone)
    sequels.forget(connection, gone)
    sequels.go_on(file, gone)
    return {one: one in set(gone) for one in known}


def _known(connection: apsw.Connection, wanted: str) -> list[int]:
    return [int(one) for (one,) in connection.execute(sql.KNOWN, (wanted,))]
