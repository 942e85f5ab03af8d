"""Ends of tasks that callbacks of the app wait for: each is told at least once, and struck out when it was."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

import apsw

from outlast.events import hindrances
from outlast.ids import shown
from outlast.journal.contract import Ends
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.statements import QUEUE
from outlast.tasks.callbacks import TaskEnd
from outlast.tasks.task import State

AT_ONCE = 100  # ends that one process takes
MOST_KEPT = 1000  # that wait for a process; the oldest are given up first
MOST_TRIES = 3  # processes that may die of telling one
OTHERS_AFTER = 3.0  # seconds for which an end is left to the process that has seen it
_ANY = "SELECT 1 FROM untold LIMIT 1"
_NOTE = """
CREATE TRIGGER IF NOT EXISTS note_untold AFTER UPDATE OF state ON task
WHEN new.state IN (3, 4, 5, 6) AND EXISTS (SELECT 1 FROM listener WHERE state = new.state)
BEGIN INSERT OR REPLACE INTO untold (task) VALUES (new.id); END"""
_LISTEN = "INSERT OR IGNORE INTO listener SELECT value FROM json_each(?)"
_TAKE = """
UPDATE untold SET teller = ?1, tries = tries + 1 WHERE task IN (
    SELECT untold.task FROM untold JOIN task ON task.id = untold.task
    WHERE task.state IN (3, 4, 5, 6)
        AND (teller IS NULL OR (teller != ?1 AND teller NOT IN (SELECT id FROM process WHERE left_at IS NULL)))
        AND (untold.task IN (SELECT value FROM json_each(?2))
            OR (task.ended_at <= ?3 AND (?4 = '' OR coalesce(task.app, '') IN ('', ?4))))
    ORDER BY task.ended_at, untold.task LIMIT ?5)
RETURNING task, tries"""
_ENDS = f"""
SELECT id, CAST(function AS BLOB), state, attempt, CAST(calling AS BLOB), CAST(coalesce(reason, '') AS BLOB), ended_at,
    CAST(coalesce(CASE WHEN state != 3 THEN (SELECT traceback FROM event WHERE task = id ORDER BY seq DESC LIMIT 1) END,
        '') AS BLOB),
    CAST(coalesce({QUEUE}, '') AS BLOB)
FROM task WHERE id IN (SELECT value FROM json_each(?)) ORDER BY ended_at, id"""  # noqa: S608
_STRIKE = "DELETE FROM untold WHERE task IN (SELECT value FROM json_each(?))"
_KEEP_NEWEST = """
DELETE FROM untold WHERE task IN (SELECT task FROM untold ORDER BY task DESC LIMIT -1 OFFSET ?) RETURNING task"""


class SqliteEnds(Ends):
    """The verbs of `contract.Ends`."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    @property
    def has_untold(self) -> bool:
        return bool(self._file.read(_ANY))

    def listen(self, states: Collection[State]) -> None:
        self._file.opened.execute(_NOTE)
        self._file.opened.execute(_LISTEN, (json.dumps(sorted(states)),))

    def take(self, teller: int, seen: Iterable[int], app: str = "") -> tuple[list[TaskEnd], list[TaskEnd]]:
        wanted = (teller, json.dumps(list(seen)), self._file.now - OTHERS_AFTER, app, AT_ONCE)
        taken: list[Any] = self._file.opened.execute(_TAKE, wanted).fetchall()
        tries: dict[int, int] = dict(taken)
        rows: list[Any] = self._file.opened.execute(_ENDS, (json.dumps(list(tries)),)).fetchall()
        ends = list(map(_end, rows))
        given_up = [one for one in ends if tries[one.number] > MOST_TRIES]
        self.strike(one.number for one in given_up)
        return [one for one in ends if tries[one.number] <= MOST_TRIES], given_up

    def strike(self, tasks: Iterable[int]) -> None:
        self._file.opened.execute(_STRIKE, (json.dumps(list(tasks)),))


def keep_newest(connection: apsw.Connection) -> None:
    """Give up the oldest of too many."""
    if gone := len(connection.execute(_KEEP_NEWEST, (MOST_KEPT,)).fetchall()):
        hindrances.EndsGivenUp(gone, MOST_KEPT).tell()


def _end(row: tuple[int, bytes, int, int, bytes, bytes, float, bytes, bytes]) -> TaskEnd:
    number, function, state, attempt, lane, reason, ended_at, *more = row
    path, where, why, stack, queue = (one.decode(errors="replace") for one in (function, lane, reason, *more))
    known = (shown(number), path, State(state).label, attempt, where, why, stack, ended_at)
    return TaskEnd(*known, queue=queue, number=number)
