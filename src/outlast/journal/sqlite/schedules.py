"""Schedules in a SQLite journal: what code and people say of them, and which have their time."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Sequence
from typing import Any

import apsw

from outlast.journal.schedules import AHEAD, Declaration, Declared, Scheduled, Schedules, Unscheduled, Waiting
from outlast.journal.sqlite import rows
from outlast.journal.sqlite import schedule_statements as sql
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.incidents import as_text
from outlast.system.deployment import Home
from outlast.tasks.schedules import Schedule

MOST_DECLARATIONS = 100  # of the newest releases
REVISION_BITS = 62


class SqliteSchedules(Schedules):
    """The verbs of `outlast.journal.schedules.Schedules`."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def declare(self, declared: Declared, home: Home) -> None:
        """Of an app that never had a schedule nothing is kept."""
        if not (declared.schedules or self._file.read(sql.HAS_DECLARED, (home.app,))[0][0]):
            return
        texts = json.dumps([one.texts() for one in declared.schedules], separators=(",", ":"))
        row = (home.app, home.release, drawn_revision(), self._file.now, rows.as_it_is(texts))
        self._file.opened.execute(sql.DECLARE, row)
        self._file.opened.execute(sql.KEEP_NEWEST_DECLARATIONS, (MOST_DECLARATIONS,))

    def put(self, wanted: Scheduled, home: Home) -> bool:
        return bool(self._file.opened.execute(sql.PUT, written(wanted.schedule, home, in_code=False)).fetchone())

    def remove(self, wanted: Unscheduled, home: Home) -> bool:
        return bool(forget_ticks_of(self._file.opened, sql.REMOVE, (home.app, wanted.name)))

    def pause(self, schedules: Collection[int]) -> list[int]:
        return self._moved(sql.PAUSE, self._file.now, json.dumps(list(schedules)))

    def resume(self, schedules: Collection[int]) -> list[int]:
        return self._moved(sql.RESUME, json.dumps(list(schedules)))

    def ask(self, schedules: Collection[int]) -> list[int]:
        return self._moved(sql.ASK, self._file.now, json.dumps(list(schedules)))

    def _moved(self, statement: str, *bindings: Any) -> list[int]:
        return [one for (one,) in self._file.read(statement, bindings)]

    def are_there(self) -> bool:
        return bool(self._file.read(sql.ARE_THERE)[0][0])

    def declarations(self) -> Sequence[Declaration]:
        return [_declaration(row) for row in self._file.read(sql.DECLARATIONS)]

    def declaration(self, home: Home) -> Declaration | None:
        found = self._file.read(sql.DECLARATION, (home.app, home.release))
        return _declaration(found[0]) if found else None

    def waiting(self, apps: Collection[str] | None, most: int) -> Sequence[Waiting]:
        now = self._file.clock()
        found = self._file.read(sql.WAITING, (now, most, _as_json(apps), now + AHEAD))
        return [_waiting(row) for row in found]

    def next_in(self, apps: Collection[str] | None) -> float | None:
        now = self._file.clock()
        found = self._file.read(sql.NEXT_TICK, (now, 1, _as_json(apps)))
        return max(0.0, float(found[0][0]) - now) if found else None


def written(schedule: Schedule, home: Home, *, in_code: bool) -> tuple[Any, ...]:
    """The row of a schedule. Raises ValueError for text that SQLite does not give back as it was."""
    name, *texts = (rows.as_it_is(text) for text in schedule.texts())
    return home.app, name, home.release, drawn_revision(), int(in_code), *texts


def drawn_revision() -> int:
    """One that nobody has seen before."""
    return secrets.randbits(REVISION_BITS)


def forget_ticks_of(connection: apsw.Connection, statement: str, bindings: Sequence[Any]) -> list[int]:
    """Of the schedules that a statement has deleted, which returns their ids."""
    found: list[Any] = connection.execute(statement, bindings).fetchall()
    gone = [int(one) for (one,) in found]
    if gone:
        connection.execute(sql.FORGET_TICKS, (json.dumps(gone),))
    return gone


def _as_json(apps: Collection[str] | None) -> str | None:
    return None if apps is None else json.dumps(sorted(apps))


def _declaration(row: Sequence[Any]) -> Declaration:
    app, release, revision, texts = row
    return Declaration(Home(as_text(app), as_text(release)), revision, as_text(texts))


def _waiting(row: Sequence[Any]) -> Waiting:
    number, revision, app, release, next_at, seen_at, asked_at, last_at, is_paused, *texts = row
    name, timing, missed, blueprint = map(as_text, texts)
    times, home = (next_at, seen_at, asked_at, last_at), Home(as_text(app), as_text(release))
    return Waiting(number, revision, home, *times, bool(is_paused), (name, timing, missed, blueprint))
