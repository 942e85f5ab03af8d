"""Ends of tasks that callbacks of the app wait for: each is told at least once, and struck out when it was."""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import apsw

from outlast import hindrances
from outlast.callbacks import TaskEnd
from outlast.process import this
from outlast.tasks import State, shown

log = logging.getLogger("outlast")
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
_ENDS = """
SELECT id, CAST(function AS BLOB), state, attempt, CAST(calling AS BLOB), CAST(coalesce(reason, '') AS BLOB), ended_at,
    CAST(coalesce((SELECT traceback FROM event WHERE task = id ORDER BY seq DESC LIMIT 1), '') AS BLOB)
FROM task WHERE id IN (SELECT value FROM json_each(?)) ORDER BY ended_at, id"""
_STRIKE = "DELETE FROM untold WHERE task IN (SELECT value FROM json_each(?))"
_KEEP_NEWEST = """
DELETE FROM untold WHERE task IN (SELECT task FROM untold ORDER BY task DESC LIMIT -1 OFFSET ?) RETURNING task"""


class Untold(ABC):
    """The part of a journal that knows what was not told yet."""

    @abstractmethod
    def _opened(self) -> apsw.Connection: ...

    @abstractmethod
    def _read(self, statement: str, bindings: Sequence[Any]) -> list[Any]: ...

    @property
    def has_untold(self) -> bool:
        """Whether an end waits to be told. Also outside of a transaction: takes no lock."""
        return bool(self._read(_ANY, ()))

    def listen(self, states: Collection[State]) -> None:
        """From now on ends in these states are noted, in the transaction of the end."""
        self._opened().execute(_NOTE)
        self._opened().execute(_LISTEN, (json.dumps(sorted(states)),))

    def take_untold(self, teller: int, seen: Iterable[int], now: float) -> tuple[list[TaskEnd], list[TaskEnd]]:
        """What the process `teller` has to tell: ends it has `seen`, and those that nobody else tells in time.

        Those of another app than this process runs are left to processes of that one. The second ones have cost so many
        processes their life that they are given up.
        """
        wanted = (teller, json.dumps(list(seen)), now - OTHERS_AFTER, this.home.app, AT_ONCE)
        taken: list[Any] = self._opened().execute(_TAKE, wanted).fetchall()
        tries: dict[int, int] = dict(taken)
        rows: list[Any] = self._opened().execute(_ENDS, (json.dumps(list(tries)),)).fetchall()
        ends = list(map(_end, rows))
        given_up = [one for one in ends if tries[one.number] > MOST_TRIES]
        self.strike_untold(one.number for one in given_up)
        return [one for one in ends if tries[one.number] <= MOST_TRIES], given_up

    def strike_untold(self, tasks: Iterable[int]) -> None:
        """These were told."""
        self._opened().execute(_STRIKE, (json.dumps(list(tasks)),))


def keep_newest(connection: apsw.Connection) -> None:
    """Give up the oldest of too many."""
    if gone := len(connection.execute(_KEEP_NEWEST, (MOST_KEPT,)).fetchall()):
        log.warning("%s", hindrances.ends_given_up(gone, MOST_KEPT))


def _end(row: tuple[int, bytes, int, int, bytes, bytes, float, bytes]) -> TaskEnd:
    number, function, state, attempt, lane, reason, ended_at, traceback = row
    texts = (one.decode(errors="replace") for one in (function, lane, reason, traceback))
    path, where, why, stack = texts
    label = State(state).label
    return TaskEnd(shown(number), path, label, attempt, where, why, stack, ended_at, number=number)
