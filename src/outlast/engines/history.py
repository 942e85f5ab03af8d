"""The read side: what the journal knows, for people. Never writes, never waits for a writer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import apsw

from outlast import events
from outlast.engines.incidents import DAY, MOST_JSON, MOST_STACK, IncidentRecord, as_text, from_row
from outlast.engines.opening import connect
from outlast.engines.schema import SCHEMA_VERSION, version_of
from outlast.errors import IncidentNotFound, JournalUnusable, TaskNotFound
from outlast.incidents import Kind
from outlast.tasks import State, id_range, number_of, shown
from outlast.text import LONGEST_PATH, MOST_NAME, MOST_REASON, MOST_TRACEBACK, clean, in_one_line, json_line, one_line

NAMES = (
    "id, state, lane, attempt, crashes, follows, created_at, started_at, ended_at, function, arguments, origin, "
    "reason, context, app, release"
)
RESERVED = "(state = 2 AND started_at IS NULL)"
"""What a runner has claimed behind another task, which has not ended: to people it waits as any other."""

STATE = f"state - {RESERVED}"
COLUMNS = (
    f"id, {STATE}, CAST(lane AS BLOB), attempt - {RESERVED}, crashes, follows, created_at, started_at, "
    "iif(state = 7, NULL, ended_at), substr(CAST(function AS BLOB), 1, ?1), substr(CAST(arguments AS BLOB), 1, ?1), "
    "substr(CAST(origin AS BLOB), 1, ?1), substr(CAST(reason AS BLOB), 1, ?1), substr(CAST(context AS BLOB), 1, ?1), "
    "CAST(app AS BLOB), CAST(release AS BLOB)"
)
"""Text as bytes, at most ?1 of each: a row whose text is none hides no other, one of megabytes costs no more."""

MOST_IN_LIST = 8_192  # bytes of a text, where there may be many
MOST_IN_TASK = 4 << 20  # of one, more than outlast stores
MOST_EVENTS = 500  # of one task, the newest
WITH_INCIDENTS, WITH_HOMES = 2, 4  # the versions that brought them

_IN_SHORT = """id, CAST(kind AS BLOB), CAST(cause AS BLOB), CAST(process AS BLOB), pid, CAST(machine AS BLOB), first_at,
    last_at, times, seconds, CAST(culprit AS BLOB), CAST(sentence AS BLOB), x'', x''"""
_FLIGHTS = f"CASE WHEN length(flights) <= {MOST_JSON} AND json_valid(flights) THEN flights ELSE '[]' END"
_WHOLE = _IN_SHORT.replace("x'', x''", f"substr(CAST(stack AS BLOB), 1, {8 * MOST_STACK}), CAST({_FLIGHTS} AS BLOB)")
_WITH_TASK = (
    f"WHERE EXISTS (SELECT 1 FROM json_each({_FLIGHTS}) WHERE CASE type WHEN 'object' THEN value ->> 'task' END = ?)"  # noqa: S608
)
_EVENTS = """
SELECT at, CAST(kind AS BLOB), attempt, substr(CAST(reason AS BLOB), 1, ?1), substr(CAST(traceback AS BLOB), 1, ?4)
FROM event WHERE task = ?2 ORDER BY seq DESC LIMIT ?3"""
_PARKED = """
SELECT substr(CAST(function AS BLOB), 1, ?1), substr(CAST(reason AS BLOB), 1, ?1), count(*) FROM task
WHERE state > 2 AND state = 7 GROUP BY function, reason ORDER BY count(*) DESC LIMIT 200"""
_SHARES = """
SELECT CAST(app AS BLOB), CAST(release AS BLOB), count(*) FROM task WHERE state <= 2 GROUP BY app, release
ORDER BY app, release LIMIT 50"""
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

    context: the values of its request's context variables, as JSON; empty for none. app, release: whose it is, empty
        where nobody knows.
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
    context: str
    app: str
    release: str
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
class Share:
    """How many unfinished tasks one release of an app has."""

    app: str
    release: str
    count: int


@dataclass(frozen=True, slots=True)
class Summary:
    """How many tasks are in each state, how long the oldest waiting one has waited (s), and who is there.

    blockers: the functions that run alone since they have blocked an event loop, and for how long at most (s).
    incidents: those of the last day. parked: by function, how many the code does not know, and why, of the most.
    unfinished: whose the unfinished tasks are.
    """

    counts: dict[str, int]
    oldest_waiting: float | None
    processes: tuple[Presence, ...]
    blockers: dict[str, float]
    incidents: IncidentCounts = IncidentCounts()
    parked: dict[str, tuple[int, str]] = field(default_factory=dict)
    unfinished: tuple[Share, ...] = ()


class History:
    """Reads the journal at `path`, also one of an older version that nobody has written since the upgrade.

    Raises JournalUnusable when there is none or it is of a newer version.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise JournalUnusable(events.no_journal(path))
        with _readable(path):
            self._connection = connect(path, patience=1.0, read_only=True)
            version = version_of(self._connection)
        if not 1 <= version <= SCHEMA_VERSION:
            raise JournalUnusable(events.journal_newer(path, version, SCHEMA_VERSION))
        self.path = path
        self._has_incidents = version >= WITH_INCIDENTS
        self._has_homes = version >= WITH_HOMES
        self._columns = COLUMNS if self._has_homes else _without(COLUMNS, "context", "app", "release")

    def tasks(self, states: Sequence[State] = (), name: str = "", limit: int = 50) -> list[Record]:
        """The newest tasks first, of these states (none given: all) and with `name` in their function's path."""
        wanted = json.dumps([int(state) for state in states or State])
        which = f"{STATE} IN (SELECT value FROM json_each(?2)) AND instr(function, ?3) ORDER BY id DESC LIMIT ?4"  # noqa: S608
        query = f"SELECT {self._columns} FROM task WHERE {which}"  # noqa: S608
        return [_record(row) for row in self._rows(query, (MOST_IN_LIST, wanted, name, limit))]

    def ids(self, states: Sequence[State], name: str = "") -> list[int]:
        """The numbers of all tasks of these states with `name` in their function's path, the oldest first."""
        wanted = json.dumps([int(state) for state in states])
        which = f"{STATE} IN (SELECT value FROM json_each(?)) AND instr(function, ?)"  # noqa: S608
        return [int(one) for (one,) in self._rows(f"SELECT id FROM task WHERE {which} ORDER BY id", (wanted, name))]  # noqa: S608

    def tasks_of(self, ids: Iterable[str]) -> dict[str, Record]:
        """Those of these tasks (whole ids) that are in the journal, by id."""
        query = f"SELECT {self._columns} FROM task WHERE id IN (SELECT value FROM json_each(?2))"  # noqa: S608
        rows = self._rows(query, (MOST_IN_LIST, json.dumps([number_of(one) for one in ids])))
        return {record.id: record for record in map(_record, rows)}

    def task(self, prefix: str) -> Record:
        """One task with its events, by id or unique beginning of one. Raises TaskNotFound."""
        try:
            low, high = id_range(prefix)
        except ValueError as error:
            raise TaskNotFound(str(error)) from None
        query = f"SELECT {self._columns} FROM task WHERE id BETWEEN ?2 AND ?3 LIMIT 2"  # noqa: S608
        rows = self._rows(query, (MOST_IN_TASK, low, high))
        if not rows:
            raise TaskNotFound(f"no task {prefix!r} in {self.path}")
        if len(rows) > 1:
            raise TaskNotFound(f"more than one task begins with {prefix!r}: give more of the id")
        record = _record(rows[0], self._events(rows[0][0]))
        return replace(record, blocked=self._blockers().get(record.function, 0.0))

    def summary(self, now: float) -> Summary:
        """Counts, age of the oldest task that waits for nobody before it, processes."""
        found = dict(self._rows(f"SELECT {STATE} AS shown, count(*) FROM task GROUP BY shown"))  # noqa: S608
        counts = {state.label: found.get(int(state), 0) for state in State}
        first = f"state <= 2 AND {STATE} = 1 AND follows IS NULL"
        oldest = self._rows(f"SELECT min(created_at) FROM task WHERE {first}")[0][0]  # noqa: S608
        present = self._rows(
            "SELECT id, CAST(kind AS BLOB), pid, started_at FROM process WHERE left_at IS NULL ORDER BY id"
        )
        age = None if oldest is None else max(0.0, now - oldest)
        counted, parked = self._counted(now - DAY), self._parked()
        return Summary(counts, age, tuple(map(_presence, present)), self._blockers(), counted, parked, self._shares())

    def _shares(self) -> tuple[Share, ...]:
        rows = self._rows(_SHARES) if self._has_homes else []
        names = ((one_line(as_text(app), MOST_NAME), one_line(as_text(release), MOST_NAME)) for app, release, _ in rows)
        return tuple(Share(*home, row[2]) for home, row in zip(names, rows, strict=True))

    def incidents(self, limit: int = 20) -> list[IncidentRecord]:
        """What happened to processes, the newest first, without stacks and what was in them."""
        return [from_row(row) for row in self._incident_rows(_IN_SHORT, _NEWEST_FIRST, (limit,))]

    def incident(self, number: str) -> IncidentRecord:
        """One of them, whole. Raises IncidentNotFound."""
        is_number = number.isascii() and number.isdecimal() and len(number) <= 18
        rows = self._incident_rows(_WHOLE, "WHERE id = ?", (int(number),)) if is_number else []
        if not rows:
            raise IncidentNotFound(f"no incident {number!r} in {self.path}")
        return from_row(rows[0])

    def incidents_of(self, task: str, limit: int = 5) -> list[IncidentRecord]:
        """The newest incidents that this task (whole id) was in, without stacks and what else was in them."""
        which = f"{_WITH_TASK} {_NEWEST_FIRST}"
        return [from_row(row) for row in self._incident_rows(_IN_SHORT, which, (number_of(task), limit))]

    def _counted(self, since: float) -> IncidentCounts:
        rows = self._incident_rows(
            "CAST(kind AS BLOB), count(*), sum(times)", "WHERE last_at >= ? GROUP BY kind", (since,)
        )
        counts = {as_text(kind): (count, times) for kind, count, times in rows}
        stalls, times = counts.get(Kind.STALL, (0, 0))
        return IncidentCounts(stalls, times, deaths=counts.get(Kind.DEATH, (0, 0))[0])

    def _incident_rows(self, columns: str, which: str, bindings: Sequence[Any]) -> list[tuple[Any, ...]]:
        if not self._has_incidents:
            return []
        return self._rows(f"SELECT {columns} FROM incident {which}", bindings)  # noqa: S608

    def _blockers(self) -> dict[str, float]:
        rows = self._rows("SELECT CAST(path AS BLOB), seconds FROM function ORDER BY path")
        return {one_line(as_text(path), LONGEST_PATH): seconds for path, seconds in rows}

    def _parked(self) -> dict[str, tuple[int, str]]:
        found: dict[str, tuple[int, str]] = {}
        for function, reason, count in self._rows(_PARKED, (MOST_IN_LIST,)):
            name = one_line(as_text(function), LONGEST_PATH)
            before, largest = found.get(name, (0, one_line(as_text(reason), MOST_REASON)))
            found[name] = before + count, largest
        return found

    def _events(self, task: int) -> tuple[Event, ...]:
        rows = self._rows(_EVENTS, (MOST_IN_LIST, task, MOST_EVENTS, 4 * MOST_TRACEBACK))
        return tuple(
            Event(
                at,
                one_line(as_text(kind), MOST_NAME),
                attempt,
                clean(as_text(reason), MOST_REASON),
                clean(as_text(trace), MOST_TRACEBACK),
            )
            for at, kind, attempt, reason, trace in reversed(rows)
        )

    def _rows(self, query: str, bindings: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _readable(self.path):
            return self._connection.execute(query, bindings).fetchall()


def _record(row: Sequence[Any], events: tuple[Event, ...] = ()) -> Record:
    """What was stored clean is made clean again: whoever can write to the file can put anything there."""
    values = dict(zip(NAMES.split(", "), row, strict=True))
    values |= {
        "id": shown(values["id"]),
        "state": _label(values["state"]),
        "lane": one_line(as_text(values["lane"]), MOST_NAME),
        "follows": "" if values["follows"] is None else shown(values["follows"]),
        "function": one_line(as_text(values["function"]), LONGEST_PATH),
        "arguments": json_line(as_text(values["arguments"]), MOST_IN_TASK),
        "origin": one_line(as_text(values["origin"]), MOST_NAME),
        "reason": clean(as_text(values["reason"]), MOST_REASON),
        "context": json_line(as_text(values["context"]), MOST_IN_TASK),
        "app": one_line(as_text(values["app"]), MOST_NAME),
        "release": one_line(as_text(values["release"]), MOST_NAME),
    }
    return Record(**values, events=events)


def _without(columns: str, *names: str) -> str:
    for name in names:
        columns = columns.replace(f"CAST({name} AS BLOB)", "NULL")
    return columns


def _presence(row: Sequence[Any]) -> Presence:
    process, kind, pid, started_at = row
    return Presence(process, one_line(as_text(kind), MOST_NAME), pid, started_at)


def _label(state: int) -> str:
    return State(state).label if state in set(State) else f"unknown ({state})"


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (apsw.Error, UnicodeDecodeError) as error:
        raise JournalUnusable(f"the journal {path} cannot be read: {in_one_line(error)}") from error
