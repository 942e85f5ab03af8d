"""All that happened to a task: what was noted of it, and its ordinary moves, which are columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from outlast.ids import shown
from outlast.journal.read import Event
from outlast.journal.sqlite.incidents import as_text
from outlast.journal.sqlite.reading import WITH_PROGRESS, WITH_RELEASES, WITH_SEQUELS, Reading
from outlast.tasks.progress import MOST_CHECKPOINT
from outlast.tasks.task import State
from outlast.text import MOST_NAME, MOST_REASON, MOST_TRACEBACK, clean, json_line, one_line

MOST_EVENTS = 500  # of one task, the newest
MOST_LINKS = 100
_NOTED = f"""
SELECT at, CAST(kind AS BLOB), attempt, substr(CAST(reason AS BLOB), 1, {4 * MOST_REASON}),
    substr(CAST(traceback AS BLOB), 1, {4 * MOST_TRACEBACK})
FROM event WHERE task = ? ORDER BY seq DESC LIMIT {MOST_EVENTS}"""  # noqa: S608
_MOVES = "SELECT {released_at}, started_at, ended_at, attempt, state FROM task WHERE id = ?"


_BEFORE = "SELECT before FROM link WHERE task = ? ORDER BY place LIMIT ?"
_BEHIND = "SELECT task FROM link WHERE before = ? ORDER BY task LIMIT ?"
_CHECKPOINT = "SELECT CAST(checkpoint AS BLOB) FROM task WHERE id = ? AND checkpoint IS NOT NULL"
_LAST_TRACEBACK = f"""
SELECT substr(CAST(traceback AS BLOB), 1, {4 * MOST_TRACEBACK}) FROM event
WHERE task = ?1 AND traceback IS NOT NULL AND attempt = (SELECT attempt FROM task WHERE id = ?1)
ORDER BY seq DESC LIMIT 1"""  # noqa: S608


def traceback_of(file: Reading, task_id: int) -> str:
    """Of its newest attempt; empty for none."""
    return "".join(clean(as_text(found), MOST_TRACEBACK) for (found,) in file.rows(_LAST_TRACEBACK, (task_id,)))


def links_of(file: Reading, task_id: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The ids of the tasks that it gets something of, and of those that get something of it."""
    if file.version < WITH_SEQUELS:
        return (), ()
    before, behind = (file.rows(query, (task_id, MOST_LINKS)) for query in (_BEFORE, _BEHIND))
    return tuple(shown(one) for (one,) in before), tuple(shown(one) for (one,) in behind)


def checkpoint_of(file: Reading, task_id: int) -> str:
    """Where its next attempt goes on, as JSON; empty for none."""
    rows = file.rows(_CHECKPOINT, (task_id,)) if file.version >= WITH_PROGRESS else []
    return "".join(json_line(as_text(found), MOST_CHECKPOINT) for (found,) in rows)


def of(file: Reading, task_id: int) -> tuple[Event, ...]:
    """In its order."""
    noted = [_event(row) for row in reversed(file.rows(_NOTED, (task_id,)))]
    columns = _MOVES.format(released_at="released_at" if file.version >= WITH_RELEASES else "NULL")
    return tuple(event for row in file.rows(columns, (task_id,)) for event in _told(noted, *row))


def _told(
    noted: Sequence[Event],
    released_at: float | None,
    started_at: float | None,
    ended_at: float | None,
    attempt: int,
    state: int,
) -> Iterator[Event]:
    """Older versions noted every move: then nothing is told twice. `started_at` is that of the newest attempt."""
    known = {(one.kind, one.attempt) for one in noted}
    if released_at is not None and ("released", 0) not in known:
        yield Event(released_at, "released", 0, "", "")
    yield from noted
    if started_at is not None and ("started", attempt) not in known:
        yield Event(started_at, "started", attempt, "", "")
    if ended_at is not None and state == State.DONE and ("done", attempt) not in known:
        yield Event(ended_at, "done", attempt, "", "")


def _event(row: Sequence[Any]) -> Event:
    at, kind, attempt, reason, traceback = row
    why, trace = clean(as_text(reason), MOST_REASON), clean(as_text(traceback), MOST_TRACEBACK)
    return Event(at, one_line(as_text(kind), MOST_NAME), attempt, why, trace)
