"""The read side: what the journal knows, for people. Never writes, never waits for a writer."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from outlast.errors import IncidentNotFound, TaskNotFound
from outlast.ids import id_range, number_of, shown
from outlast.journal.read import (
    AttemptLog,
    History,
    IncidentRecord,
    Record,
    ScheduleRecord,
    Standing,
    Summary,
)
from outlast.journal.sqlite import calendar, lines, logs, searching, story, summary
from outlast.journal.sqlite.incidents import MOST_JSON, MOST_STACK, as_text, from_row
from outlast.journal.sqlite.reading import (
    STATE,
    WITH_GATES,
    WITH_KEYS,
    WITH_RESULTS,
    WITH_SECRET,
    Reading,
)
from outlast.journal.sqlite.records import MOST_IN_TASK, Records
from outlast.journal.sqlite.summary import MOST_IN_LIST
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import State

_IN_SHORT = """id, CAST(kind AS BLOB), CAST(cause AS BLOB), CAST(process AS BLOB), pid, CAST(machine AS BLOB), first_at,
    last_at, times, seconds, CAST(culprit AS BLOB), CAST(sentence AS BLOB), x'', x''"""
_FLIGHTS = f"CASE WHEN length(flights) <= {MOST_JSON} AND json_valid(flights) THEN flights ELSE '[]' END"
_WHOLE = _IN_SHORT.replace("x'', x''", f"substr(CAST(stack AS BLOB), 1, {8 * MOST_STACK}), CAST({_FLIGHTS} AS BLOB)")
_WITH_TASK = (
    f"WHERE EXISTS (SELECT 1 FROM json_each({_FLIGHTS}) WHERE CASE type WHEN 'object' THEN value ->> 'task' END = ?)"  # noqa: S608
)
_HAVE_ENDED = "SELECT id, state IN (3, 4, 5, 6) FROM task WHERE id IN (SELECT value FROM json_each(?))"
_RESULT = "SELECT CAST(result AS BLOB) FROM task WHERE id = ? AND result IS NOT NULL"
_NEWEST_FIRST = "ORDER BY last_at DESC, id DESC LIMIT ?"


class SqliteHistory(History):
    """Reads the journal at `path`, also one of an older version that nobody has written since the upgrade.

    What it gives is for people: values are redacted, also under the names of `redact`, which are a setting.
    Raises JournalMissing when there is none, JournalUnusable when it is of a newer version.
    """

    def __init__(self, path: Path, redact: Iterable[str] = ()) -> None:
        self._file = Reading(path)
        self._records = Records(self._file.version, redact)

    def tasks(
        self,
        states: Sequence[State] = (),
        name: str = "",
        limit: int = 50,
        since: float = 0.0,
        key: str = "",
        queue: str = "",
    ) -> list[Record]:
        if (key and self._file.version < WITH_KEYS) or (queue and self._file.version < WITH_GATES):
            return []
        wanted = json.dumps([int(state) for state in states or State])
        which = f"id >= ?5 AND {STATE} IN (SELECT value FROM json_each(?2)) AND instr(function, ?3)"  # noqa: S608
        which += " AND key = ?6" if key else " AND ?6 = ''"
        which += f" AND {lines.IN_QUEUE}" if queue else " AND ?7 = ''"
        which += f" AND {searching.among(self._file, states)}"
        query = f"SELECT {self._records.columns} FROM task WHERE {which} ORDER BY id DESC LIMIT ?4"  # noqa: S608
        rows = self._file.rows(query, (MOST_IN_LIST, wanted, name, limit, TaskIds.first_at(since), key, queue))
        return [self._records.record(row) for row in rows]

    def ids(self, states: Sequence[State], name: str = "") -> list[int]:
        wanted = json.dumps([int(state) for state in states])
        which = f"{STATE} IN (SELECT value FROM json_each(?)) AND instr(function, ?)"  # noqa: S608
        which += f" AND {searching.among(self._file, states)}"
        query = f"SELECT id FROM task WHERE {which} ORDER BY id"  # noqa: S608
        return [int(one) for (one,) in self._file.rows(query, (wanted, name))]

    def tasks_of(self, ids: Iterable[str]) -> dict[str, Record]:
        query = f"SELECT {self._records.columns} FROM task WHERE id IN (SELECT value FROM json_each(?2))"  # noqa: S608
        rows = self._file.rows(query, (MOST_IN_LIST, json.dumps([number_of(one) for one in ids])))
        return {record.id: record for record in map(self._records.record, rows)}

    def version(self) -> Hashable:
        return self._file.version_now()

    def secret(self) -> bytes:
        rows = self._file.rows("SELECT value FROM secret LIMIT 1") if self._file.version >= WITH_SECRET else []
        return rows[0][0] if rows and isinstance(rows[0][0], bytes) else b""

    def have_ended(self, ids: Iterable[int]) -> dict[int, bool]:
        rows = self._file.rows(_HAVE_ENDED, (json.dumps(list(ids)),))
        return {number: bool(has_ended) for number, has_ended in rows}

    def standings(self, ids: Iterable[int]) -> dict[int, Standing]:
        records = self.tasks_of(shown(one) for one in ids)
        return {number_of(one): _standing(self._file, number_of(one), record) for one, record in records.items()}

    def task(self, prefix: str) -> Record:
        try:
            low, high = id_range(prefix)
        except ValueError as error:
            raise TaskNotFound(str(error)) from None
        query = f"SELECT {self._records.columns} FROM task WHERE id BETWEEN ?2 AND ?3 LIMIT 2"  # noqa: S608
        rows = self._file.rows(query, (MOST_IN_TASK, low, high))
        if not rows:
            raise TaskNotFound(f"no task {prefix!r} in {self._file.path}")
        if len(rows) > 1:
            raise TaskNotFound(f"more than one task begins with {prefix!r}: give more of the id")
        record = self._records.record(rows[0], story.of(self._file, rows[0][0]))
        before, behind = story.links_of(self._file, rows[0][0])
        blocked = summary.blockers(self._file).get(record.function, 0.0)
        checkpoint = self._records.redactor.redacted(story.checkpoint_of(self._file, rows[0][0]))
        return replace(record, blocked=blocked, runs_after=before, then=behind, checkpoint=checkpoint)

    def logs_of(self, task: str) -> list[AttemptLog]:
        return logs.of(self._file, number_of(task))

    def summary(self, now: float) -> Summary:
        return summary.of(self._file, now)

    def schedules(self) -> list[ScheduleRecord]:
        return calendar.of(self._file, self._records.redactor)

    def incidents(self, limit: int = 20) -> list[IncidentRecord]:
        return [from_row(row) for row in self._file.incident_rows(_IN_SHORT, _NEWEST_FIRST, (limit,))]

    def incident(self, number: str) -> IncidentRecord:
        is_number = number.isascii() and number.isdecimal() and len(number) <= 18
        rows = self._file.incident_rows(_WHOLE, "WHERE id = ?", (int(number),)) if is_number else []
        if not rows:
            raise IncidentNotFound(f"no incident {number!r} in {self._file.path}")
        return from_row(rows[0])

    def incidents_of(self, task: str, limit: int = 5) -> list[IncidentRecord]:
        which = f"{_WITH_TASK} {_NEWEST_FIRST}"
        return [from_row(row) for row in self._file.incident_rows(_IN_SHORT, which, (number_of(task), limit))]


def _standing(file: Reading, number: int, record: Record) -> Standing:
    is_done, is_new = record.state == State.DONE.label, file.version >= WITH_RESULTS
    stored = file.rows(_RESULT, (number,)) if is_done and is_new else []
    result = as_text(stored[0][0]) if stored else None
    where = story.traceback_of(file, number) if record.has_ended and not is_done else ""
    return Standing(record, result, where)
