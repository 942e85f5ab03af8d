"""What people ask of tasks that are in the journal: not to run, to run again, to be forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import apsw

from outlast import endings, waits
from outlast.engines import statements as sql
from outlast.engines.moves import free_followers, note
from outlast.logs.ends import fields, tell_end
from outlast.tasks import State


def cancel(connection: apsw.Connection, ids: Iterable[int], now: float) -> dict[int, bool]:
    """Cancel what has not begun, mark what runs; returns which of those that are known will not finish."""
    wanted = json.dumps(list(ids))
    rows: list[Any] = connection.execute(sql.CANCEL, (now, endings.CANCELLED_BEFORE, wanted)).fetchall()
    for one, function, attempt, lane in rows:
        about = fields(one, function.decode(errors="replace"), attempt, lane.decode(errors="replace"))
        tell_end(State.CANCELLED, endings.CANCELLED_BEFORE, about)
    ended = [row[0] for row in rows]
    note(connection, ((one, "cancelled", 0, endings.CANCELLED_BEFORE, None) for one in ended), now)
    free_followers(connection, ended)
    marked: list[Any] = connection.execute(sql.MARK, (now, wanted)).fetchall()
    note(connection, ((one, "cancelling", attempt, None, None) for one, attempt in marked), now)
    return {one: bool(stops) for one, stops in connection.execute(sql.WILL_NOT_FINISH, (wanted,))}


def retry(connection: apsw.Connection, ids: Iterable[int], now: float) -> dict[int, bool]:
    """Let those wait that have ended or are parked, behind nobody; returns of those that are known which wait now."""
    wanted = json.dumps(list(ids))
    known = _known(connection, wanted)
    moved: list[Any] = connection.execute(sql.RETRY, (wanted,)).fetchall()
    note(connection, ((one, "retried", attempt, waits.RETRIED, None) for one, attempt in moved), now)
    waiting = {one for one, _ in moved}
    return {one: one in waiting for one in known}


def delete(connection: apsw.Connection, ids: Iterable[int]) -> dict[int, bool]:
    """Forget those that have ended or are parked, and what happened to them; returns of those that are known which."""
    wanted = json.dumps(list(ids))
    known = _known(connection, wanted)
    gone = [int(one) for (one,) in connection.execute(sql.DELETABLE, (wanted,))]
    free_followers(connection, gone)
    connection.execute(sql.DELETE, (json.dumps(gone),))
    connection.execute(sql.PRUNE_EVENTS, (json.dumps(gone),))
    return {one: one in set(gone) for one in known}


def _known(connection: apsw.Connection, wanted: str) -> list[int]:
    return [int(one) for (one,) in connection.execute(sql.KNOWN, (wanted,))]
