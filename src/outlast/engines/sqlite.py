"""The journal in a SQLite file. Only apsw opens it, in every process (its SQLite is newer, its busy handler ours)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import apsw

from outlast import events
from outlast.engines import statements as sql
from outlast.engines.contract import Drop, ProcessEntry, Retention
from outlast.engines.incidents import DAY, MOST_INCIDENTS, to_row
from outlast.engines.place import journal_path, prepare_folder
from outlast.engines.schema import migrate
from outlast.errors import JournalUnusable, StoreFailed, TaskRefused
from outlast.incidents import Incident
from outlast.outcome import unless_cancelled
from outlast.tasks import Claimed, End, Lane, NewTask, Settlement, State

BUSY_SLEEP = 0.0002  # seconds; SQLite's own back-off starves one of two writers (measured)

_TRANSIENT = (apsw.BusyError, apsw.FullError, apsw.IOError, apsw.ReadOnlyError, apsw.LockedError, apsw.NoMemError)
_LANES = json.dumps(list(Lane))
_FOR_GOOD = (apsw.CantOpenError, apsw.CorruptError, apsw.NotADBError, apsw.PermissionsError)


class SqliteJournal:
    """The journal of `url`, opened at its first use. For one thread of one process: never carry it across a fork.

    `patience` is how many seconds a transaction waits for the write lock. `checkpoints` is for the runner alone.
    """

    def __init__(self, url: str, *, patience: float = 5.0, checkpoints: bool = False) -> None:
        self.path = journal_path(url)
        self._patience = patience
        self._checkpoints = checkpoints
        self._connection: apsw.Connection | None = None

    def open(self) -> None:
        """Open the file, and create or migrate it. Raises JournalUnusable or StoreFailed."""
        prepare_folder(self.path)
        with _translated(self.path):
            connection = connect(self.path, self._patience)
            pages = 1000 if self._checkpoints else 0
            connection.pragma("wal_autocheckpoint", pages)
            migrate(connection, self.path)
        self._connection = connection

    def close(self) -> None:
        """Give back the file. It is opened again when used again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def transaction(self) -> AbstractContextManager[None]:
        """BEGIN IMMEDIATE … COMMIT, fsynced; rolled back on any error. Raises StoreFailed or JournalUnusable."""
        if self._connection is None:
            self.open()
        return self._transaction(self._opened())

    @contextmanager
    def _transaction(self, connection: apsw.Connection) -> Iterator[None]:
        with _translated(self.path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if not connection.get_autocommit():
                    connection.execute("ROLLBACK")
                raise

    def add(self, tasks: Iterable[NewTask], owner: int) -> None:
        """Store tasks. One that follows a task that has ended already follows nobody."""
        tasks = list(tasks)
        self._opened().execute(sql.ADD, (json.dumps([_row(task, owner) for task in tasks]),))
        if behind := [task.id for task in tasks if task.follows is not None]:
            self._opened().execute(sql.FREE_LATE_FOLLOWERS, (json.dumps(behind),))

    def release(self, ids: Iterable[int], now: float) -> int:
        """Move held tasks to `waiting`, behind the task they follow if that has not ended; returns how many it moved.

        Few statements, since each hands the interpreter's lock over twice while the event loop wants it (measured).
        """
        released = json.dumps(list(ids))
        self._opened().execute(sql.NOTE_RELEASE, (now, released))
        self._opened().execute(sql.RELEASE, (released,))
        return self._opened().changes()

    def drop(self, drops: Iterable[Drop], now: float) -> list[int]:
        """Move held tasks to `dropped`."""
        reasons = {drop.id: drop.reason for drop in drops}
        moved = self._moved(sql.DROP, ((now, reason, task_id) for task_id, reason in reasons.items()))
        self._note(((task_id, "dropped", 0, reasons[task_id], None) for task_id in moved), now)
        self._free_followers(moved)
        return moved

    def cancel(self, ids: Iterable[int], now: float) -> dict[int, bool]:
        """Cancel what has not begun, mark what runs; returns which of them will not finish."""
        wanted = json.dumps(list(ids))
        ended = [int(row[0]) for row in self._opened().execute(sql.CANCEL, (now, events.CANCELLED_BEFORE, wanted))]
        self._note(((one, "cancelled", 0, events.CANCELLED_BEFORE, None) for one in ended), now)
        self._free_followers(ended)
        marked: list[Any] = self._opened().execute(sql.MARK, (now, wanted)).fetchall()
        self._note(((one, "cancelling", attempt, None, None) for one, attempt in marked), now)
        return {one: bool(stops) for one, stops in self._opened().execute(sql.WILL_NOT_FINISH, (wanted,))}

    def cancels_of(self, owner: int) -> list[int]:
        """The running tasks of a runner that are to be stopped. Also outside of a transaction: takes no lock."""
        return [int(one) for (one,) in self._read(sql.CANCELS_OF, (owner,))]

    def begin(self, ids: Iterable[int], owner: int, now: float) -> list[int]:
        """Move held inline tasks to `running`, owned by their web worker."""
        moved = self._moved(sql.BEGIN, ((owner, now, task_id) for task_id in ids))
        self._note(((task_id, "started", 1, None, None) for task_id in moved), now)
        return moved

    def claim(self, runner: int, lane: Lane, limit: int, now: float) -> list[Claimed]:
        """Take up to `limit` due tasks of `lane`, oldest first, in one statement."""
        rows = self._opened().execute(sql.CLAIM, (runner, now, str(lane), now, limit)).fetchall()
        claimed = [_claimed(row) for row in rows]
        self._note(((one.id, "started", one.attempt, None, None) for one in claimed), now)
        return claimed

    def claim_company(self, runner: int, now: float) -> list[Claimed]:
        """Take the oldest due task of lane `alone`, and those that may be in one process with it."""
        first = self._opened().execute(sql.FIRST_ALONE, (now,)).fetchone()
        if first is None:
            return []
        rows = self._opened().execute(sql.CLAIM_COMPANY, (runner, now, now, first[0], first[0])).fetchall()
        claimed = [_claimed(row) for row in rows]
        self._note(((one.id, "started", one.attempt, None, None) for one in claimed), now)
        return claimed

    def learn(self, function: str, code: str, seconds: float, now: float) -> None:
        """A function has blocked an event loop: from now on it runs in lane `alone`, what waits of it too."""
        self._opened().execute(sql.LEARN, (function, code, seconds, now))
        self._opened().execute(sql.SET_APART, (function,))

    def settle(self, settlements: Iterable[Settlement], now: float) -> list[int]:
        """End attempts; one that is not the newest of a running task changes nothing."""
        by_token = {(one.id, one.attempt): one for one in self._with_cancels(settlements)}
        moved = self._moved(sql.SETTLE, (_settle_row(one, now) for one in by_token.values()))
        accepted = set(moved)
        ends = [one for one in by_token.values() if one.id in accepted]
        self._note((_end_event(one) for one in ends), now)
        self._free_followers([one.id for one in ends if one.state is not State.WAITING])
        return moved

    def _with_cancels(self, settlements: Iterable[Settlement]) -> Iterator[Settlement]:
        """What was marked as to be cancelled does not wait again."""
        for one in settlements:
            waits = one.state is State.WAITING
            yield unless_cancelled(one) if waits and self._opened().execute(sql.MARKED, (one.id,)).fetchone() else one

    def due(self, now: float) -> list[Lane]:
        """The lanes in which a task is ready to be claimed. Also outside of a transaction: takes no lock."""
        return [Lane(lane) for (lane,) in self._read(sql.DUE, (_LANES, now))]

    def running_of(self, owner: int) -> Sequence[Claimed]:
        """The attempts that a process had claimed and not settled."""
        return [_claimed(row) for row in self._opened().execute(sql.RUNNING_OF, (owner,))]

    def held_of(self, owner: int) -> Sequence[tuple[int, Lane]]:
        """The tasks that a web worker had stored and neither released nor dropped."""
        return [(task_id, Lane(lane)) for task_id, lane in self._opened().execute(sql.HELD_OF, (owner,))]

    def enter(self, process: ProcessEntry) -> int:
        """Record a process; returns its id."""
        values = (process.kind, process.pid, process.machine, process.started_at)
        return _number(self._opened().execute(sql.ENTER, values))

    def leave(self, process: int, reason: str, now: float) -> None:
        """Record that a process has ended and how."""
        self._opened().execute(sql.LEAVE, (now, reason, process))

    def present(self, kind: str) -> Sequence[tuple[int, int]]:
        """The processes of a kind that have not left: (process id, pid). Also outside of a transaction."""
        return [(int(process), int(pid)) for process, pid in self._read(sql.PRESENT, (kind,))]

    def note(self, incidents: Iterable[Incident], now: float) -> None:
        """Record what happened to processes; a stall of a culprit of the last day is counted.

        Where no task was ever stored there is no runner to prune, so this keeps no more than the newest by itself.
        """
        for incident in incidents:
            values = {**to_row(incident, now), "day_ago": now - DAY}
            if not self._opened().execute(sql.JOIN_INCIDENT, values).fetchall():
                self._opened().execute(sql.ADD_INCIDENT, values)
        self._opened().execute(sql.KEEP_NEWEST_INCIDENTS, (MOST_INCIDENTS,))

    def prune(self, keep: Retention, limit: int, now: float) -> int:
        """Forget up to `limit` finished tasks and incidents that are past keeping; returns how many it were."""
        beyond = self._opened().execute(sql.COUNTED, (keep.count,)).fetchone()
        values = (now - keep.done, now - keep.failed, beyond[0] if beyond else 0, limit)
        gone = [row[0] for row in self._opened().execute(sql.PRUNE, values)]
        self._opened().execute("DELETE FROM event WHERE task IN (SELECT value FROM json_each(?))", (json.dumps(gone),))
        old = self._opened().execute(sql.PRUNE_INCIDENTS, (now - keep.failed, limit - len(gone))).fetchall()
        return len(gone) + len(old)

    def unfinished(self) -> int:
        """How many tasks are held, waiting or running."""
        return _number(self._opened().execute(sql.UNFINISHED))

    def _opened(self) -> apsw.Connection:
        assert self._connection is not None, "verbs are called inside a transaction"  # noqa: S101
        return self._connection

    def _read(self, statement: str, bindings: Sequence[Any]) -> list[Any]:
        if self._connection is None:
            self.open()
        with _translated(self.path):
            return self._opened().execute(statement, bindings).fetchall()

    def _moved(self, statement: str, bindings: Iterable[Sequence[Any]]) -> list[int]:
        return [int(row[0]) for row in self._opened().executemany(statement, bindings)]

    def _note(self, events: Iterable[tuple[int, str, int, str | None, str | None]], now: float) -> None:
        self._opened().executemany(sql.NOTE, ((now, *event) for event in events))

    def _free_followers(self, ended: Sequence[int]) -> None:
        if ended:
            self._opened().execute(sql.FREE_FOLLOWERS, (json.dumps(ended),))


def connect(path: Path, patience: float, *, read_only: bool = False) -> apsw.Connection:
    """A connection set up as every process must: WAL, FULL, a busy handler that sleeps 0.2 ms for `patience` s."""
    flags = apsw.SQLITE_OPEN_READWRITE | (0 if read_only else apsw.SQLITE_OPEN_CREATE)
    old_mask = os.umask(0o077)
    try:
        connection = apsw.Connection(str(path), flags=flags)
    finally:
        os.umask(old_mask)
    connection.set_busy_handler(_patient(patience))
    if read_only:
        connection.pragma("query_only", True)
        return connection
    _switch_to_wal(connection, patience)
    connection.pragma("synchronous", "full")
    connection.pragma("fullfsync", True)  # macOS: fsync alone does not reach the disk there
    connection.pragma("temp_store", "memory")
    connection.pragma("cache_size", -16384)
    return connection


def _switch_to_wal(connection: apsw.Connection, patience: float) -> None:
    """SQLite asks no busy handler here: two processes that make a journal at once have to be told to wait."""
    deadline = time.monotonic() + patience
    while connection.pragma("journal_mode") != "wal":
        try:
            connection.pragma("journal_mode", "wal")
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(BUSY_SLEEP)


def _patient(patience: float) -> Any:
    began = 0.0

    def wait(tries: int) -> bool:
        nonlocal began
        now = time.monotonic()
        began = now if tries == 0 else began
        time.sleep(BUSY_SLEEP)
        return now - began < patience

    return wait


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except _TRANSIENT as error:
        raise StoreFailed(f"the journal {path} cannot be written now: {error}") from error
    except _FOR_GOOD as error:
        raise JournalUnusable(
            f"the journal {path} cannot be used: {error}. Move the file away and start again, or set OUTLAST_URL"
        ) from error
    except apsw.Error as error:
        raise TaskRefused(f"the journal {path} refused: {error}") from error


def _number(answer: apsw.Cursor) -> int:
    return int(next(iter(answer))[0])


def _row(task: NewTask, owner: int) -> tuple[Any, ...]:
    held = task.state is State.HELD
    return (
        task.id,
        int(task.state),
        str(task.lane),
        owner if held else None,
        task.follows,
        task.created_at,
        task.function,
        task.arguments,
        task.origin,
        task.terms.company,
        task.code,
        task.terms.timeout,
        task.terms.memory,
    )


def _claimed(row: Sequence[Any]) -> Claimed:
    task_id, attempt, crashes, cuts, function, arguments, calling, timeout, memory = row
    return Claimed(task_id, attempt, crashes, cuts, function, arguments or "", Lane(calling), timeout, memory)


def _settle_row(one: Settlement, now: float) -> tuple[Any, ...]:
    ended_at = None if one.state is State.WAITING else now
    crashed = one.end is End.CRASHED
    return (int(one.state), ended_at, crashed, one.reason or None, one.id, one.attempt, one.company, one.cuts)


def _end_event(one: Settlement) -> tuple[int, str, int, str | None, str | None]:
    return one.id, str(one.end), one.attempt, one.reason or None, one.traceback or None
