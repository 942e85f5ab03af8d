"""Queues and limits in a SQLite journal: who waits behind which gate, and what people change of a queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apsw

from outlast.errors import QueueFull
from outlast.journal.contract import Queues
from outlast.journal.sqlite.file import JournalFile
from outlast.tasks.limits import Limit, Limits, of_queue
from outlast.tasks.task import NewTask

_GATE = "SELECT id FROM gate WHERE queue = ? AND scope = ? AND concurrency = ? AND every = ?"
_ADD_GATE = "INSERT INTO gate (queue, scope, concurrency, every) VALUES (?, ?, ?, ?)"
_ADD_QUOTA = "INSERT OR IGNORE INTO quota (scope) VALUES (?)"
_PUT_BEHIND = "UPDATE task SET gate = ?2, run_at = iif(run_at = 0, -1, run_at) WHERE id = ?1"
_WAITING = """
SELECT count(*) FROM (SELECT 1 FROM gate JOIN task ON task.gate = gate.id
    WHERE gate.queue = ? AND task.gate IS NOT NULL AND task.state IN (0, 1) LIMIT ?)"""
_EVERY = "SELECT every FROM quota WHERE scope = ?"
_LIMIT = """
INSERT INTO quota (scope, concurrency, every) VALUES (?1, ?2, ?3)
ON CONFLICT (scope) DO UPDATE SET concurrency = ?2, every = ?3"""
_LIFT = """
UPDATE quota SET concurrency = 0, every = 0 WHERE substr(scope, 1, 6) = 'queue ' AND (concurrency != 0 OR every != 0)"""
_PAUSE = """
INSERT INTO quota (scope, paused_at) VALUES (?1, ?2)
ON CONFLICT (scope) DO UPDATE SET paused_at = coalesce(paused_at, ?2)"""
_IS_PAUSED = "SELECT 1 FROM quota WHERE scope = ? AND paused_at IS NOT NULL"
_RESUME = "UPDATE quota SET paused_at = NULL WHERE scope = ? AND paused_at IS NOT NULL"
_SOME = "SELECT id FROM gate WHERE id > ? ORDER BY id LIMIT ?"
_FORGET_GATE = """
DELETE FROM gate WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM task WHERE gate = ?1) RETURNING scope, queue"""
_FORGET_QUOTA = """
DELETE FROM quota WHERE scope = ?1 AND next_at < ?3 AND paused_at IS NULL AND concurrency = 0 AND every = 0
    AND NOT EXISTS (SELECT 1 FROM gate WHERE scope = ?1) AND NOT EXISTS (SELECT 1 FROM gate WHERE queue = ?2)"""


class SqliteQueues(Queues):
    """The verbs of `contract.Queues`."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def pause(self, queue: str) -> bool:
        is_new = not self._file.opened.execute(_IS_PAUSED, (of_queue(queue),)).fetchone()
        self._file.opened.execute(_PAUSE, (of_queue(queue), self._file.now))
        return is_new

    def resume(self, queue: str) -> bool:
        self._file.opened.execute(_RESUME, (of_queue(queue),))
        return self._file.opened.changes() > 0


def refuse_if_full(connection: apsw.Connection, tasks: Iterable[NewTask], most: Mapping[str, int]) -> None:
    """Raises QueueFull if with these more than may would wait in one of their queues."""
    coming = Counter(task.options.limits.queue for task in tasks)
    for queue, count in coming.items() if most else ():
        if queue not in most:
            continue
        waiting = _number(connection, _WAITING, (queue, most[queue]))
        if waiting + count > most[queue]:
            raise QueueFull(queue, most[queue], max(1.0, _number(connection, _EVERY, (of_queue(queue),))))


def put_behind(connection: apsw.Connection, tasks: Sequence[NewTask]) -> None:
    """New tasks that are limited wait behind their gates."""
    gates: dict[tuple[str, str, Limit], int] = {}
    rows = []
    for task in tasks:
        limits = task.options.limits
        which = limits.queue, limits.scope(task.function), limits.limit
        if which not in gates:
            gates[which] = _gate(connection, limits, which[1])
        rows.append((task.id, gates[which]))
    connection.executemany(_PUT_BEHIND, rows)


def _gate(connection: apsw.Connection, limits: Limits, scope: str) -> int:
    which = limits.queue, scope, limits.limit.concurrency, limits.limit.every
    if known := _number(connection, _GATE, which):
        return int(known)
    connection.execute(_ADD_GATE, which)
    number = connection.last_insert_rowid()
    for one in filter(None, (scope, limits.queue and of_queue(limits.queue))):
        connection.execute(_ADD_QUOTA, (one,))
    return number


def limit(connection: apsw.Connection, queues: Mapping[str, Limit]) -> None:
    """These are the limits of queues from now on; others have none."""
    connection.execute(_LIFT)
    rows = ((of_queue(name), one.concurrency, one.every) for name, one in queues.items())
    connection.executemany(_LIMIT, rows)


def forget(connection: apsw.Connection, now: float, after: int, most: int) -> int:
    """Look at some gates, those after `after`, and forget them if none of their tasks is kept; returns the last."""
    some = [int(gate) for (gate,) in connection.execute(_SOME, (after, most))]
    for gate in some:
        gone: list[Any] = connection.execute(_FORGET_GATE, (gate,)).fetchall()
        for scope, queue in gone:
            connection.execute(_FORGET_QUOTA, (scope, None, now))
            connection.execute(_FORGET_QUOTA, (of_queue(queue), queue, now))
    return some[-1] if len(some) == most else 0


def _number(connection: apsw.Connection, query: str, bindings: Sequence[Any]) -> float:
    """What a query gives, 0 for nothing."""
    found: Any = connection.execute(query, bindings).fetchone()
    return float(found[0]) if found else 0.0
