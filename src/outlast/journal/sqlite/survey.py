"""What a dashboard asks, in statements that look at no more rows than are shown, or a few thousand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outlast.journal.location import SIDES
from outlast.journal.sqlite import lines, searching, summary
from outlast.journal.sqlite.incidents import DAY, as_text
from outlast.journal.sqlite.reading import WITH_LOGS, WITH_OPTIONS, Reading
from outlast.journal.survey import (
    MINUTE,
    MOST_COUNTED,
    Cursor,
    Extent,
    Failure,
    Found,
    Growth,
    Minute,
    Overview,
    Queue,
    Search,
    Survey,
)
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import State
from outlast.text import LONGEST_PATH, MOST_REASON, clean, one_line

HOUR = 3_600.0  # seconds
MOST_MEASURED = 200  # tasks
MOST_TAIL = 1_500  # bytes of a traceback's end, where its last frame and the exception are
_COUNT = """
SELECT count(*), count({what}) FROM (SELECT {what} FROM task WHERE state {side} 2 AND state = {state} LIMIT {most})"""
_ENDS = """
SELECT CAST(ended_at / 60 AS INTEGER) AS minute, sum(state = 3), sum(state = 4) FROM task
WHERE state > 2 AND state IN (3, 4) AND ended_at >= ? AND ended_at < ? GROUP BY minute ORDER BY minute"""
_WAITS = """
SELECT started_at - coalesce(released_at, created_at) FROM task
WHERE state > 2 AND state = 3 AND attempt = 1 AND follows IS NULL AND not_before IS NULL AND started_at IS NOT NULL
ORDER BY ended_at DESC LIMIT ?"""
_FAILURES = f"""
SELECT id, substr(CAST(function AS BLOB), 1, {LONGEST_PATH}), substr(CAST(reason AS BLOB), 1, {MOST_REASON}), ended_at,
    (SELECT substr(CAST(traceback AS BLOB), -{MOST_TAIL}) FROM event
     WHERE event.task = failed.id AND traceback IS NOT NULL ORDER BY seq DESC LIMIT 1)
FROM task AS failed WHERE state > 2 AND state = 4 ORDER BY ended_at DESC, id DESC LIMIT ?"""  # noqa: S608
_READY = "state <= 2 AND state = 1 AND run_at = 0"
_FIRST_IN_LINE = f"""
WITH RECURSIVE first (id) AS (
    SELECT (SELECT id FROM task WHERE {_READY} ORDER BY lane, app, release LIMIT 1)
    UNION ALL
    SELECT coalesce(
        (SELECT id FROM task WHERE {_READY} AND lane = last.lane AND app = last.app AND release > last.release
         ORDER BY release LIMIT 1),
        (SELECT id FROM task WHERE {_READY} AND lane = last.lane AND app > last.app ORDER BY app, release LIMIT 1),
        (SELECT id FROM task WHERE {_READY} AND lane > last.lane ORDER BY lane, app, release LIMIT 1))
    FROM first JOIN task AS last USING (id))
SELECT min((SELECT created_at FROM task
    WHERE {_READY} AND lane = of.lane AND app = of.app AND release = of.release ORDER BY place LIMIT 1))
FROM first JOIN task AS of USING (id)"""  # noqa: S608


_ADDED = "SELECT count(*) FROM (SELECT 1 FROM task WHERE id >= ? LIMIT ?)"
_SIZE_OF_NEWEST = """
WITH newest AS MATERIALIZED (
    SELECT id, octet_length(function) + octet_length(origin) + coalesce(octet_length(arguments), 0)
        + coalesce(octet_length(context), 0) + coalesce(octet_length(result), 0) + coalesce(octet_length(reason), 0)
        AS size
    FROM task WHERE id >= ? ORDER BY id DESC LIMIT ?)
SELECT coalesce((SELECT sum(size) FROM newest), 0)
    + coalesce((SELECT sum(coalesce(octet_length(traceback), 0) + coalesce(octet_length(event.reason), 0))
        FROM newest JOIN event ON event.task = newest.id), 0)
    + coalesce((SELECT sum(octet_length(text)) FROM newest JOIN log ON log.task = newest.id), 0),
    (SELECT count(*) FROM newest)"""


class SqliteSurvey(Survey):
    """Of the journal at `path`; raises as `SqliteHistory` does."""

    def __init__(self, path: Path) -> None:
        self._file = Reading(path)

    def overview(self, now: float) -> Overview:
        here, elsewhere = summary.present(self._file)
        blockers, counted = summary.blockers(self._file), summary.counted(self._file, now - DAY)
        return Overview(self._counts(), self._oldest(), here, elsewhere, blockers, counted)

    def search(self, search: Search, after: Cursor | None = None, limit: int = 50) -> Found:
        return searching.found(self._file, search, after, limit)

    def ends(self, since: int, until: int) -> list[Minute]:
        rows = self._file.rows(_ENDS, (since * MINUTE, until * MINUTE))
        return [Minute(number, done, failed) for number, done, failed in rows]

    def waits(self, limit: int = 500) -> Sequence[float]:
        rows = self._file.rows(_WAITS, (limit,)) if self._file.version >= WITH_OPTIONS else []
        return [max(0.0, seconds) for (seconds,) in rows if seconds is not None and math.isfinite(seconds)]

    def failures(self, limit: int = 2000) -> list[Failure]:
        return [_failure(row) for row in self._file.rows(_FAILURES, (limit,))]

    def queues(self) -> list[Queue]:
        return lines.queues(self._file)

    def extent(self) -> Extent:
        file, log, _ = (_size(f"{self._file.path}{side}") for side in SIDES)
        pages, size = (int(self._file.rows(f"PRAGMA {what}")[0][0]) for what in ("freelist_count", "page_size"))
        return Extent(file, log, self._file.version, pages * size)

    def growth(self, now: float) -> Growth:
        if self._file.version < WITH_LOGS:
            return Growth(0, 0)
        since = TaskIds.first_at(now - HOUR)
        ((tasks,),) = self._file.rows(_ADDED, (since, MOST_COUNTED + 1))
        ((size, some),) = self._file.rows(_SIZE_OF_NEWEST, (since, MOST_MEASURED))
        return Growth(tasks, round(size / some) if some else 0)

    def _counts(self) -> dict[str, int]:
        """What is claimed behind another task waits, as any other, to people."""
        found = {state: self._file.rows(_count(state))[0] for state in State}
        counts = {state.label: rows for state, (rows, _) in found.items()}
        claimed, begun = found[State.RUNNING]
        counts[State.RUNNING.label] = begun
        counts[State.WAITING.label] = min(MOST_COUNTED + 1, counts[State.WAITING.label] + claimed - begun)
        return counts

    def _oldest(self) -> float | None:
        rows = self._file.rows(_FIRST_IN_LINE) if self._file.version >= WITH_OPTIONS else []
        return rows[0][0] if rows else None


def _count(state: State) -> str:
    side, what = ("<=", "started_at") if state is State.RUNNING else ("<=" if state < State.RUNNING else ">", "state")
    return _COUNT.format(what=what, side=side, state=int(state), most=MOST_COUNTED + 1)


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _failure(row: Sequence[Any]) -> Failure:
    number, function, reason, at, traceback = row
    why, where = clean(as_text(reason), MOST_REASON), clean(as_text(traceback), MOST_TAIL)
    when = at if at is not None and math.isfinite(at) else 0.0
    return Failure(number, one_line(as_text(function), LONGEST_PATH), why, when, where)
