"""The bare limit: SQLite alone, set up as outlast sets it up, with nothing around it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from outlast.journal.sqlite.opening import make_durable

BATCH = 100  # tasks in one transaction of the loop
ARGUMENTS = '{"text":"' + "x" * 100 + '","number":1}'
_SCHEMA = """
CREATE TABLE task (
    id INTEGER PRIMARY KEY, state INTEGER, function TEXT, arguments TEXT, run_at REAL,
    attempts INTEGER DEFAULT 0, owner INTEGER, created_at REAL, started_at REAL, ended_at REAL, reason TEXT
);
CREATE INDEX ready ON task (run_at, id) WHERE state = 1"""
_INSERT = "INSERT INTO task (id, state, function, arguments, run_at, created_at) VALUES (?, 1, 'app:noop', ?, ?, ?)"
_CLAIM = """
UPDATE task SET state = 2, owner = 1, attempts = attempts + 1, started_at = ?1 WHERE id IN
    (SELECT id FROM task WHERE state = 1 AND run_at <= ?1 ORDER BY run_at, id LIMIT ?2)
RETURNING id, function, arguments"""
_SETTLE = "UPDATE task SET state = 3, owner = NULL, ended_at = ? WHERE id = ?"


class BareSqlite:
    """One connection to a file of its own, with the table that a queue needs and nothing else."""

    def __init__(self, file: Path, *, checkpoints: bool) -> None:
        self._connection = apsw.Connection(str(file))
        make_durable(self._connection, patience=5.0)
        self._connection.pragma("wal_autocheckpoint", 1000 if checkpoints else 0)
        self._connection.execute(_SCHEMA)
        self._last = 0

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def commit(self) -> float:
        """Insert one row and commit, fsynced; the seconds it took."""
        began = time.perf_counter()
        with self._transaction():
            self._insert(1)
        return time.perf_counter() - began

    def commit_twice(self) -> float:
        """The same and then a claim: the least that a durable queue does before a task starts."""
        began = time.perf_counter()
        with self._transaction():
            self._insert(1)
        with self._transaction():
            self._claim(1)
        return time.perf_counter() - began

    def tasks_per_second(self, count: int) -> float:
        """`count` tasks inserted, then claimed and settled, in batches; one process, no functions are run."""
        began = time.perf_counter()
        for _ in range(count // BATCH):
            with self._transaction():
                self._insert(BATCH)
        for _ in range(count // BATCH):
            with self._transaction():
                claimed = self._claim(BATCH)
            with self._transaction():
                self._connection.executemany(_SETTLE, ((time.time(), task_id) for task_id in claimed))
        return count / (time.perf_counter() - began)

    def _insert(self, count: int) -> None:
        now, first = time.time(), self._last + 1
        self._last += count
        self._connection.executemany(
            _INSERT, ((task_id, ARGUMENTS, now, now) for task_id in range(first, first + count))
        )

    def _claim(self, count: int) -> list[int]:
        rows: list[Any] = self._connection.execute(_CLAIM, (time.time(), count)).fetchall()
        return [row[0] for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        yield
        self._connection.execute("COMMIT")


@contextmanager
def bare_sqlite(file: Path, *, checkpoints: bool = True) -> Iterator[BareSqlite]:
    """A new one at `file`, gone at the end. Without `checkpoints` its log grows, and each commit pays for that."""
    bare = BareSqlite(file, checkpoints=checkpoints)
    try:
        yield bare
    finally:
        bare.close()
        for suffix in ("", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
