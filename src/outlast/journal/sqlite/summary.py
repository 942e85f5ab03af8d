"""A SQLite journal in a few figures."""

from __future__ import annotations

from collections import Counter

from outlast.journal.read import IncidentCounts, Presence, Share, Summary
from outlast.journal.sqlite.incidents import DAY, as_text
from outlast.journal.sqlite.reading import RESERVED, WITH_HOMES, WITH_MACHINES, WITH_OPTIONS, Reading
from outlast.system.machine import THE_ONLY
from outlast.tasks.task import State
from outlast.text import LONGEST_PATH, MOST_NAME, MOST_REASON, one_line
from outlast.watch.incident import IncidentKind

MOST_IN_LIST = 8_192  # bytes of a text, where there may be many
_COUNTS = """
SELECT state, count(*) FROM task WHERE state <= 2 GROUP BY state
UNION ALL SELECT state, count(*) FROM task WHERE state > 2 GROUP BY state"""
_RESERVED = f"SELECT count(*) FROM task WHERE state <= 2 AND {RESERVED}"  # noqa: S608
_OLDEST = """
SELECT created_at FROM task WHERE id = (SELECT min(id) FROM task WHERE state <= 2 AND state = 1 AND run_at <= 0)"""
_OLDEST_BEFORE = "SELECT min(created_at) FROM task WHERE state <= 2 AND state = 1 AND follows IS NULL AND run_at <= 0"
_PARKED = """
SELECT substr(CAST(function AS BLOB), 1, ?1), substr(CAST(reason AS BLOB), 1, ?1), count(*) FROM task
WHERE state > 2 AND state = 7 GROUP BY function, reason ORDER BY count(*) DESC LIMIT 200"""
_PRESENT = "SELECT id, CAST(kind AS BLOB), pid, started_at, CAST(machine AS BLOB) FROM process WHERE left_at IS NULL"
_SHARES = """
SELECT CAST(app AS BLOB), CAST(release AS BLOB), count(*) FROM task WHERE state <= 2 GROUP BY app, release
ORDER BY app, release LIMIT 50"""


def of(file: Reading, now: float) -> Summary:
    """Counts, age of the oldest task that waits for nobody before it, processes."""
    oldest = _oldest(file)
    age = None if oldest is None else max(0.0, now - oldest)
    incidents, parked = counted(file, now - DAY), _parked(file)
    here, elsewhere = present(file)
    return Summary(_counts(file), age, here, blockers(file), incidents, parked, _shares(file), elsewhere)


def _counts(file: Reading) -> dict[str, int]:
    """By indexes alone, but for what is claimed behind another task, which waits as any other, to people."""
    found = dict(file.rows(_COUNTS))
    reserved = file.rows(_RESERVED)[0][0]
    found[State.WAITING] = found.get(State.WAITING, 0) + reserved
    found[State.RUNNING] = found.get(State.RUNNING, 0) - reserved
    return {state.label: found.get(state, 0) for state in State}


def _oldest(file: Reading) -> float | None:
    """When the first of those was stored that are ready; what follows another one has no `run_at`."""
    rows = file.rows(_OLDEST if file.version >= WITH_OPTIONS else _OLDEST_BEFORE)
    return rows[0][0] if rows else None


def present(file: Reading) -> tuple[tuple[Presence, ...], dict[str, int]]:
    """The processes of this machine, and how many there are of each other one."""
    others = f"machine_id != '{THE_ONLY}'" if file.version >= WITH_MACHINES else "FALSE"
    here = file.rows(f"{_PRESENT} AND NOT {others} ORDER BY id")
    elsewhere = Counter(_name(row[-1]) for row in file.rows(f"{_PRESENT} AND {others}"))
    present = (Presence(number, _name(kind), pid, started_at) for number, kind, pid, started_at, _ in here)
    return tuple(present), dict(elsewhere)


def _shares(file: Reading) -> tuple[Share, ...]:
    rows = file.rows(_SHARES) if file.version >= WITH_HOMES else []
    return tuple(Share(_name(app), _name(release), count) for app, release, count in rows)


def counted(file: Reading, since: float) -> IncidentCounts:
    """What happened to processes since then."""
    rows = file.incident_rows("CAST(kind AS BLOB), count(*), sum(times)", "WHERE last_at >= ? GROUP BY kind", (since,))
    counts = {as_text(kind): (count, times) for kind, count, times in rows}
    stalls, times = counts.get(IncidentKind.STALL, (0, 0))
    return IncidentCounts(stalls, times, deaths=counts.get(IncidentKind.DEATH, (0, 0))[0])


def blockers(file: Reading) -> dict[str, float]:
    """The functions that run alone since they have blocked an event loop, and for how long at most (s)."""
    rows = file.rows("SELECT CAST(path AS BLOB), seconds FROM function ORDER BY path")
    return {one_line(as_text(path), LONGEST_PATH): seconds for path, seconds in rows}


def _parked(file: Reading) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for function, reason, count in file.rows(_PARKED, (MOST_IN_LIST,)):
        name = one_line(as_text(function), LONGEST_PATH)
        before, largest = found.get(name, (0, one_line(as_text(reason), MOST_REASON)))
        found[name] = before + count, largest
    return found


def _name(stored: bytes) -> str:
    return one_line(as_text(stored), MOST_NAME)
