"""Who of those that wait behind gates in a SQLite journal may begin now: counted from what runs, and from the clock."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from math import inf
from typing import Any

from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.statements import MOST
from outlast.journal.turn import Source, Turn
from outlast.system.deployment import Home
from outlast.tasks.limits import Limit, Line, admitted, next_after, of_queue, tokens
from outlast.tasks.task import Lane

MOST_LINES = 200  # that are looked at in one turn; of more the next ones come in the next turn
LOOK_FURTHER = 0.05  # seconds until then, if nothing else comes to pass
_BEFORE_ALL = ("", "", "", 0)
# from one line to the next of those in which somebody waits, however many that are
_WAITS = "gate IS NOT NULL AND state = 1 AND run_at < 0"
_LINES = f"""
WITH RECURSIVE line (id) AS (
    SELECT (SELECT id FROM task
            WHERE {_WAITS} AND (lane, app, release, gate, place) > (?1, ?2, ?3, ?4, {MOST})
            ORDER BY lane, app, release, gate, place LIMIT 1)
    UNION ALL
    SELECT (SELECT id FROM task
            WHERE {_WAITS}
                AND (lane, app, release, gate, place) > (+last.lane, +last.app, +last.release, +last.gate, {MOST})
            ORDER BY lane, app, release, gate, place LIMIT 1)
    FROM line JOIN task AS last USING (id)
    LIMIT ?5)
SELECT CAST(task.lane AS BLOB), CAST(task.app AS BLOB), CAST(task.release AS BLOB), task.gate, task.id,
    CAST(gate.scope AS BLOB), gate.concurrency, gate.every, own.next_at,
    CAST(gate.queue AS BLOB), of_queue.concurrency, of_queue.every, of_queue.next_at, of_queue.paused_at IS NOT NULL
FROM line JOIN task USING (id) LEFT JOIN gate ON gate.id = task.gate LEFT JOIN quota AS own ON own.scope = gate.scope
    LEFT JOIN quota AS of_queue ON of_queue.scope = 'queue ' || gate.queue"""  # noqa: S608
_ANYBODY = f"SELECT 1 FROM task WHERE {_WAITS} LIMIT 1"  # noqa: S608 - mostly nobody, and that is told soonest
_IS_ADMITTED = "task.gate IS NOT NULL AND (task.state = 2 OR (task.state = 1 AND task.run_at = 0))"
_ADMITTED = f"""
SELECT CAST(gate.scope AS BLOB), CAST(gate.queue AS BLOB), count(*) FROM task JOIN gate ON gate.id = task.gate
WHERE {_IS_ADMITTED} GROUP BY task.gate"""  # noqa: S608
_IN_LINE = f"""
SELECT id FROM task WHERE {_WAITS} AND lane = ? AND app = ? AND release = ? AND gate = ? AND id != ?
ORDER BY place, id"""  # noqa: S608
_ADMIT = "UPDATE task SET run_at = 0 WHERE id IN (SELECT value FROM json_each(?)) AND state = 1 AND run_at < 0"
_SEND_BACK = """
UPDATE task SET run_at = -1 WHERE id IN (SELECT value FROM json_each(?)) AND state = 1 AND run_at = 0 RETURNING id"""
_SPEND = "UPDATE quota SET next_at = ? WHERE scope = ?"


@dataclass(slots=True)
class _Scope:
    """Whose limits hold for some lines. room: how many more may run at once. next_at: when the next may begin."""

    room: float
    every: float
    next_at: float

    def left(self, now: float) -> float:
        """How many may begin now."""
        return min(self.room, tokens(self.every, self.next_at, now))

    def begin(self, count: int, now: float) -> None:
        """So many have."""
        self.room -= count
        if self.every:
            self.next_at = next_after(count, self.every, self.next_at, now)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A line: whose, behind which gate, which task is its first, and of whom limits hold for it."""

    source: Source
    gate: int
    first: int
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """The lines in which somebody waits, and those of whom limits hold for them."""

    now: float
    lines: Sequence[_Waiting] = ()
    scopes: Mapping[str, _Scope] = field(default_factory=dict)
    is_whole: bool = True

    @property
    def due(self) -> set[Source]:
        """Those of whom somebody may begin, as far as is known."""
        left = {name: scope.left(self.now) for name, scope in self.scopes.items()}
        return {one.source for one in self.lines if not self.is_whole or all(left[name] >= 1 for name in one.scopes)}

    @property
    def next_in(self) -> float | None:
        """In how many seconds somebody may begin whom nothing but a rate keeps from it."""
        times = [self._next_of(one.scopes) for one in self.lines]
        if not self.is_whole:
            times.append(LOOK_FURTHER)
        return min((one for one in times if 0 < one < inf), default=None)

    def _next_of(self, names: Iterable[str]) -> float:
        scopes = [self.scopes[one] for one in names]
        if any(one.room < 1 for one in scopes):
            return inf
        return max((one.next_at - self.now for one in scopes if one.every), default=0.0)


def survey(file: JournalFile, now: float) -> Survey:
    """As it is now. Takes no lock."""
    found = _first_lines(file)
    return _surveyed(file, found, now, is_whole=len(found) < MOST_LINES)


def _first_lines(file: JournalFile) -> list[Any]:
    return file.read(_LINES, (*_BEFORE_ALL, MOST_LINES)) if file.read(_ANYBODY) else []


def _surveyed(file: JournalFile, found: Sequence[Any], now: float, *, is_whole: bool) -> Survey:
    if not found:
        return Survey(now, is_whole=is_whole)
    scopes: dict[str, _Scope] = {}
    lines = []
    for row in found:
        if source := _source_of(row):
            lines.append(_Waiting(source, row[3], row[4], tuple(_put_down(scopes, row[5:]))))
    for scope, queue, count in file.read(_ADMITTED):
        for name in (scope.decode(), of_queue(queue.decode())):
            if name in scopes:
                scopes[name].room -= count
    return Survey(now, lines, scopes, is_whole)


def _source_of(row: Sequence[Any]) -> Source | None:
    """None for what outlast does not write: nobody runs it."""
    with suppress(ValueError):
        lane, app, release = (one.decode() for one in row[:3])
        return Lane(lane), Home(app, release)
    return None


def _put_down(scopes: dict[str, _Scope], limits: Sequence[Any]) -> Iterator[str]:
    """The scopes of a line. Of lines that say different limits of one scope, the strictest holds."""
    scope, concurrency, every, next_at, queue, *of_all = limits
    if scope:
        yield _strictest(scopes, scope.decode(), Limit(concurrency, every), next_at)
    if queue:
        queue_concurrency, queue_every, queue_next_at, is_paused = of_all
        name = _strictest(
            scopes, of_queue(queue.decode()), Limit(queue_concurrency or 0, queue_every or 0.0), queue_next_at
        )
        if is_paused:
            scopes[name].room = -inf
        yield name


def _strictest(scopes: dict[str, _Scope], name: str, limit: Limit, next_at: float | None) -> str:
    known = scopes.setdefault(name, _Scope(inf, 0.0, next_at or 0.0))
    known.room = min(known.room, limit.concurrency or inf)
    known.every = max(known.every, limit.every)
    return name


@dataclass(frozen=True, slots=True)
class Admitted:
    """Whom the gates have let through in a turn: their ids, and whose limits hold for each."""

    survey: Survey
    tasks: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


class Admission:
    """In a runner's turns. That lines take turns is only remembered here: the next runner begins with any of them."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        self._served: dict[Source, int] = {}  # the gate that was last

    def open(self, turn: Turn) -> Admitted:
        """Let as many through as there is room for: from then on they are in line with all others."""
        rooms = _rooms(turn)
        seen = self._survey(rooms)
        left = {name: scope.left(seen.now) for name, scope in seen.scopes.items()}
        tasks: dict[int, tuple[str, ...]] = {}
        for source, room in rooms.items():
            tasks |= self._admit(source, room, seen, left)
        if tasks:
            self._file.opened.execute(_ADMIT, (json.dumps(list(tasks)),))
        return Admitted(seen, tasks)

    def close(self, through: Admitted) -> float | None:
        """Send back who was not claimed, and count the others; returns in how many seconds the next may begin."""
        if through.tasks:
            found = self._file.opened.execute(_SEND_BACK, (json.dumps(list(through.tasks)),)).fetchall()
            back = {task for (task,) in found}
            begun = Counter(name for task, names in through.tasks.items() if task not in back for name in names)
            for name, count in begun.items():
                self._count(name, through.survey.scopes[name], count, through.survey.now)
        return through.survey.next_in

    def _count(self, name: str, scope: _Scope, count: int, now: float) -> None:
        scope.begin(count, now)
        if scope.every:
            self._file.opened.execute(_SPEND, (scope.next_at, name))

    def _survey(self, sources: Iterable[Source]) -> Survey:
        """Of all lines, or, where there are very many, of those of `sources` whose turn is next."""
        found = _first_lines(self._file)
        is_whole = len(found) < MOST_LINES
        if not is_whole:
            found = [row for source in sources for row in self._next_lines(source)]
        return _surveyed(self._file, found, self._file.now, is_whole=is_whole)

    def _next_lines(self, source: Source) -> list[Any]:
        lane, home = source
        last = self._served.get(source, 0)
        behind = self._file.read(_LINES, (str(lane), home.app, home.release, last, MOST_LINES))
        found = [row for row in behind if _source_of(row) == source]
        if len(found) < MOST_LINES:
            before = self._file.read(_LINES, (str(lane), home.app, home.release, 0, MOST_LINES))
            found += [row for row in before if _source_of(row) == source and row[3] <= last]
        return found

    def _admit(
        self, source: Source, room: int, seen: Survey, left: dict[str, float]
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        last = self._served.get(source, 0)
        waiting = [one for one in seen.lines if one.source == source]
        waiting.sort(key=lambda one: (one.gate <= last, one.gate))
        lines = [Line(one.gate, one.scopes, self._in_line(one)) for one in waiting]
        for line, task in admitted(lines, room, left):
            self._served[source] = line.gate
            yield task, line.scopes
        for line in lines:
            line.tasks.close()

    def _in_line(self, line: _Waiting) -> Generator[int, None, None]:
        yield line.first
        lane, home = line.source
        which = str(lane), home.app, home.release, line.gate, line.first
        with closing(self._file.opened.execute(_IN_LINE, which)) as found:
            yield from (task for (task,) in found)


def _rooms(turn: Turn) -> Counter[Source]:
    """For how many of each source there is room."""
    rooms: Counter[Source] = Counter()
    for wanted in turn.wanted:
        for source in wanted.sources:
            rooms[source] += wanted.room.get(source[0], 0)
    for apart in turn.apart:
        for home in apart.homes if not apart.suspects else ():
            rooms[Lane.ALONE, home] += apart.processes
    return rooms
