"""The read side: what the journal knows, for people. Never writes, never waits for a writer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apsw

from outlast import events
from outlast.engines.incidents import DAY, MOST_JSON, MOST_STACK, IncidentRecord, from_row
from outlast.engines.opening import connect
from outlast.engines.schema import SCHEMA_VERSION, version_of
from outlast.errors import IncidentNotFound, JournalUnusable, TaskNotFound
from outlast.incidents import Kind
from outlast.tasks import State, id_range, number_of, shown

COLUMNS = (
    "id, state, lane, attempt, crashes, follows, created_at, started_at, ended_at, function, arguments, origin, reason"
)
WITH_INCIDENTS = 2  # the version that brought them

_IN_SHORT = "id, kind, cause, process, pid, machine, first_at, last_at, times, seconds, culprit, sentence, '', '[]'"
_FLIGHTS = f"CASE WHEN length(flights) <= {MOST_JSON} AND json_valid(flights) THEN flights ELSE '[]' END"
_WHOLE = _IN_SHORT.replace("'', '[]'", f"substr(stack, 1, {2 * MOST_STACK}), {_FLIGHTS}")
_WITH_TASK = (
    f"WHERE EXISTS (SELECT 1 FROM json_each({_FLIGHTS}) WHERE CASE type WHEN 'object' THEN value ->> 'task' END = ?)"  # noqa: S608
)
_NEWEST_FIRST = "ORDER BY last_at DESC, id DESC LIMIT ?"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a task, at `at` seconds since the epoch."""

    at: float
    kind: str
    attempt: int
    reason: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Record:
    """A task as the journal has it. Times are seconds since the epoch, None when not yet.

    blocked: for how many seconds its function has blocked an event loop at most, so that it runs alone; 0 if not.
    """

    id: str
    state: str
    lane: str
    attempt: int
    crashes: int
    follows: str
    created_at: float
    started_at: float | None
    ended_at: float | None
    function: str
    arguments: str
    origin: str
    reason: str
    events: tuple[Event, ...] = ()
    blocked: float = 0.0


@dataclass(frozen=True, slots=True)
class Presence:
    """A process that takes part and has not left."""

    id: int
    kind: str
    pid: int
    started_at: float


@dataclass(frozen=True, slots=True)
class IncidentCounts:
    """How many blocked loops are on record, how often each was seen in all, and how many deaths."""

    stalls: int = 0
    times: int = 0
    deaths: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """How many tasks are in each state, how long the oldest waiting one has waited (s), and who is there.

    blockers: the functions that run alone since they have blocked an event loop, and for how long at most (s).
    incidents: those of the last day.
    """

    counts: dict[str, int]
    oldest_waiting: float | None
    processes: tuple[Presence, ...]
    blockers: dict[str, float]
    incidents: IncidentCounts = IncidentCounts()


class History:
    """Reads the journal at `path`, also one of an older version that nobody has written since the upgrade.

    Raises JournalUnusable when there is none or it is of a newer version.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise JournalUnusable(f"there is no journal at {path}: set OUTLAST_URL, or start the server first")
        with _readable(path):
            self._connection = connect(path, patience=1.0, read_only=True)
            version = version_of(self._connection)
        if not 1 <= version <= SCHEMA_VERSION:
            raise JournalUnusable(events.journal_newer(path, version, SCHEMA_VERSION))
        self._path = path
        self._has_incidents = version >= WITH_INCIDENTS

    def tasks(self, states: Sequence[State] = (), name: str = "", limit: int = 50) -> list[Record]:
        """The newest tasks first, of these states (none given: all) and with `name` in their function's path."""
        wanted = [int(state) for state in states or State]
        marks = ", ".join("?" * len(wanted))
        query = f"SELECT {COLUMNS} FROM task WHERE state IN ({marks}) AND instr(function, ?) ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [_record(row) for row in self._rows(query, (*wanted, name, limit))]

    def tasks_of(self, ids: Iterable[str]) -> dict[str, Record]:
        """Those of these tasks (whole ids) that are in the journal, by id."""
        query = f"SELECT {COLUMNS} FROM task WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608
        rows = self._rows(query, (json.dumps([number_of(one) for one in ids]),))
        return {record.id: record for record in map(_record, rows)}

    def task(self, prefix: str) -> Record:
        """One task with its events, by id or unique beginning of one. Raises TaskNotFound."""
        try:
            low, high = id_range(prefix)
        except ValueError as error:
            raise TaskNotFound(str(error)) from None
        rows = self._rows(f"SELECT {COLUMNS} FROM task WHERE id BETWEEN ? AND ? LIMIT 2", (low, high))  # noqa: S608
        if not rows:
            raise TaskNotFound(f"no task {prefix!r} in {self._path}")
        if len(rows) > 1:
            raise TaskNotFound(f"more than one task begins with {prefix!r}: give more of the id")
        record = _record(rows[0], self._events(rows[0][0]))
        return replace(record, blocked=self._blockers().get(record.function, 0.0))

    def summary(self, now: float) -> Summary:
        """Counts, age of the oldest waiting task, processes."""
        found = dict(self._rows("SELECT state, count(*) FROM task GROUP BY state"))
        counts = {state.label: found.get(int(state), 0) for state in State}
        oldest = self._rows("SELECT min(created_at) FROM task WHERE state = 1 AND state <= 2")[0][0]
        present = self._rows("SELECT id, kind, pid, started_at FROM process WHERE left_at IS NULL ORDER BY id")
        age = None if oldest is None else max(0.0, now - oldest)
        return Summary(
            counts, age, tuple(Presence(*row) for row in present), self._blockers(), self._counted(now - DAY)
        )

    def incidents(self, limit: int = 20) -> list[IncidentRecord]:
        """What happened to processes, the newest first, without stacks and what was in them."""
        return [from_row(row) for row in self._incident_rows(_IN_SHORT, _NEWEST_FIRST, (limit,))]

    def incident(self, number: str) -> IncidentRecord:
        """One of them, whole. Raises IncidentNotFound."""
        is_number = number.isascii() and number.isdecimal() and len(number) <= 18
        rows = self._incident_rows(_WHOLE, "WHERE id = ?", (int(number),)) if is_number else []
        if not rows:
            raise IncidentNotFound(f"no incident {number!r} in {self._path}")
        return from_row(rows[0])

    def incidents_of(self, task: str, limit: int = 5) -> list[IncidentRecord]:
        """The newest incidents that this task (whole id) was in, without stacks and what else was in them."""
        which = f"{_WITH_TASK} {_NEWEST_FIRST}"
        return [from_row(row) for row in self._incident_rows(_IN_SHORT, which, (number_of(task), limit))]

    def _counted(self, since: float) -> IncidentCounts:
        rows = self._incident_rows("kind, count(*), sum(times)", "WHERE last_at >= ? GROUP BY kind", (since,))
        counts = {kind: (count, times) for kind, count, times in rows}
        stalls, times = counts.get(Kind.STALL, (0, 0))
        return IncidentCounts(stalls, times, deaths=counts.get(Kind.DEATH, (0, 0))[0])

    def _incident_rows(self, columns: str, which: str, bindings: Sequence[Any]) -> list[tuple[Any, ...]]:
        if not self._has_incidents:
            return []
        return self._rows(f"SELECT {columns} FROM incident {which}", bindings)  # noqa: S608

    def _blockers(self) -> dict[str, float]:
        return dict(self._rows("SELECT path, seconds FROM function ORDER BY path"))

    def _events(self, task: int) -> tuple[Event, ...]:
        query = "SELECT at, kind, attempt, reason, traceback FROM event WHERE task = ? ORDER BY seq"
        return tuple(
            Event(at, kind, attempt, reason or "", trace or "")
            for at, kind, attempt, reason, trace in self._rows(query, (task,))
        )

    def _rows(self, query: str, bindings: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _readable(self._path):
            return self._connection.execute(query, bindings).fetchall()


def _record(row: Sequence[Any], events: tuple[Event, ...] = ()) -> Record:
    values = dict(zip(COLUMNS.split(", "), row, strict=True))
    values |= {
        "id": shown(values["id"]),
        "state": State(values["state"]).label,
        "follows": "" if values["follows"] is None else shown(values["follows"]),
        "arguments": values["arguments"] or "",
        "reason": values["reason"] or "",
    }
    return Record(**values, events=events)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (apsw.Error, UnicodeDecodeError) as error:
        raise JournalUnusable(f"the journal {path} cannot be read: {error}") from error
