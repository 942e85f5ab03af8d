"""Tasks in a SQLite journal that have a time: before it they are not begun, after it not any more."""

from __future__ import annotations

from typing import Any

from outlast.events import endings
from outlast.journal.sqlite import sequels
from outlast.journal.sqlite import statements as sql
from outlast.journal.sqlite.admission import survey
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.moves import note, tell_end_of
from outlast.journal.sqlite.rows import A_MINUTE
from outlast.tasks.task import State

MOST_AT_ONCE = 1000  # tasks whose time comes in one transaction


def ripen(file: JournalFile) -> float | None:
    """Put those in line whose time has come, and drop those whose time is over; very many do not go in one step.

    Returns in how many seconds the next has its time. In a transaction.
    """
    seconds = _until(file.opened.execute(sql.NEXT_TIME).fetchone(), file.now)
    if seconds != 0:
        return seconds
    file.opened.execute(sql.RIPEN, (file.now, MOST_AT_ONCE, A_MINUTE))
    expired: list[Any] = file.opened.execute(sql.EXPIRE, (file.now, endings.EXPIRED, MOST_AT_ONCE)).fetchall()
    for row in expired:
        tell_end_of(row, State.DROPPED, endings.EXPIRED)
    note(file.opened, ((one, "dropped", 0, endings.EXPIRED, None) for one, *_ in expired), file.now)
    sequels.go_on(file, [one for one, *_ in expired])
    return _until(file.opened.execute(sql.NEXT_TIME).fetchone(), file.now)


def next_in(file: JournalFile) -> float | None:
    """In how many seconds something comes to pass by itself; None if nothing does. Takes no lock."""
    now = file.clock()
    return sooner(_until(file.read(sql.NEXT_TIME, ())[0], now), survey(file, now).next_in)


def sooner(one: float | None, other: float | None) -> float | None:
    """Of two times from now, of which None is never."""
    return min((each for each in (one, other) if each is not None), default=None)


def _until(row: Any, now: float) -> float | None:
    (first,) = row
    return None if first is None else max(0.0, float(first) - now)
