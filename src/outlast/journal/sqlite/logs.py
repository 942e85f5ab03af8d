"""What attempts have printed and logged, in a SQLite journal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw

from outlast.ids import number_of, shown
from outlast.journal.read import AttemptLog, LogReader, Mark, Printed
from outlast.journal.sqlite.incidents import as_text
from outlast.journal.sqlite.reading import WITH_LOGS, Reading
from outlast.journal.sqlite.rows import as_it_is
from outlast.journal.turn import Reached
from outlast.tasks.log import ATTEMPTS_KEPT, MOST_LOG, TaskLog
from outlast.text import clean, one_line

_ANY = "SELECT EXISTS (SELECT 1 FROM log)"
_KEPT = """
SELECT CAST(log.text AS BLOB), log.left_out FROM task LEFT JOIN log ON log.task = id AND log.attempt = task.attempt
WHERE id = ? AND task.attempt = ? AND state = 2"""
_KEEP = "INSERT OR REPLACE INTO log (task, attempt, text, left_out) VALUES (?, ?, ?, ?)"
_FORGET_OLDER = """
DELETE FROM log WHERE task = ?1
    AND attempt <= (SELECT attempt FROM log WHERE task = ?1 ORDER BY attempt DESC LIMIT 1 OFFSET ?2)"""
_FORGET = "DELETE FROM log WHERE task IN (SELECT value FROM json_each(?))"
_SINCE = """
SELECT log.task, log.attempt, log.left_out, CAST(log.text AS BLOB), task.state = 2 AND task.attempt = log.attempt
FROM json_each(?) AS asked JOIN log ON log.task = asked.value ->> 0 JOIN task ON task.id = log.task
WHERE log.attempt > asked.value ->> 1
    OR (log.attempt = asked.value ->> 1 AND log.left_out + octet_length(log.text) > asked.value ->> 2)
ORDER BY log.task, log.attempt"""
_OF = "SELECT attempt, substr(CAST(text AS BLOB), 1, ?2), left_out FROM log WHERE task = ?1 ORDER BY attempt"


def keep(connection: apsw.Connection, reached: Iterable[Reached]) -> None:
    """What attempts that run have printed and logged since. In a transaction."""
    for one in reached:
        if one.log is None:
            continue
        found: Any = connection.execute(_KEPT, (one.task_id, one.attempt)).fetchone()
        if found is not None:
            before = TaskLog(as_text(found[0] or b""), found[1] or 0, one.log.most)
            whole = before.and_then(one.log)
            connection.execute(_KEEP, (one.task_id, one.attempt, as_it_is(whole.text), whole.left_out))
            if found[0] is None:
                connection.execute(_FORGET_OLDER, (one.task_id, ATTEMPTS_KEPT))


def are_there(connection: apsw.Connection) -> bool:
    """Whether there is anything to be forgotten with tasks."""
    return bool(connection.execute(_ANY).fetchall()[0][0])


def forget(connection: apsw.Connection, gone: Sequence[int]) -> None:
    """These tasks are forgotten."""
    connection.execute(_FORGET, (json.dumps(gone),))


def of(file: Reading, task: int) -> list[AttemptLog]:
    """Of each attempt at a task that has any, in their order."""
    rows = file.rows(_OF, (task, 2 * MOST_LOG)) if file.version >= WITH_LOGS else []
    return [AttemptLog(attempt, clean(as_text(text), 4 * MOST_LOG), left_out) for attempt, text, left_out in rows]


class SqliteLogReader(LogReader):
    """Of the journal at `path`; raises as `SqliteHistory` does."""

    def __init__(self, path: Path) -> None:
        self._file = Reading(path)

    def since(self, marks: Mapping[str, Mark]) -> list[Printed]:
        asked = json.dumps([(number_of(task), mark.attempt, mark.size) for task, mark in marks.items()])
        rows = self._file.rows(_SINCE, (asked,)) if self._file.version >= WITH_LOGS else []
        return [_printed(row, marks[shown(row[0])]) for row in rows]


def _printed(row: Sequence[Any], mark: Mark) -> Printed:
    """A line that has not ended is left for the next time, while the attempt runs."""
    task, attempt, left_out, stored, goes_on = row
    seen = mark.size if attempt == mark.attempt else 0
    text = stored[max(0, seen - left_out) :].decode(errors="surrogateescape")
    whole = text.splitlines(keepends=True)
    if goes_on and whole and not whole[-1].endswith(("\n", "\r")):
        whole.pop()
    size = max(seen, left_out) + len("".join(whole).encode(errors="surrogateescape"))
    lines = tuple(one_line(one.rstrip("\r\n"), MOST_LOG) for one in whole)
    return Printed(shown(task), lines, max(0, left_out - seen), Mark(attempt, size))
