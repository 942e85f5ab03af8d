"""The journal in a SQLite file. Only apsw opens it, in every process (its SQLite is newer, its busy handler ours)."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import apsw

from outlast import events, hindrances
from outlast.deployments import NO_HOME, Home
from outlast.engines import by_hand, learning, opening, parked, pruning, rows
from outlast.engines import statements as sql
from outlast.engines.contract import Drop, Parked, ProcessEntry, Retention
from outlast.engines.file import NOWHERE, Identity, Presence, make_journal, put_back
from outlast.engines.incidents import record
from outlast.engines.moves import free_followers, note
from outlast.engines.opening import begins_as_a_journal, connect, is_damaged, reached, switch_to_wal, translated
from outlast.engines.place import journal_path, prepare_folder
from outlast.engines.schema import migrate
from outlast.engines.untold import Untold
from outlast.errors import IdTaken, JournalUnusable, StoreFailed
from outlast.incidents import Incident
from outlast.outcome import ALONE_AFTER, unless_cancelled
from outlast.place import Place
from outlast.tasks import FINISHED, UNFINISHED, Claimed, Lane, NewTask, Settlement, State, shown
from outlast.text import MOST_NAME, in_one_line, one_line

log = logging.getLogger("outlast")
LONGEST_LINE = 64  # tasks that are claimed behind one: they are reserved as long as it takes
SMALL = 16_384  # bytes of arguments that one of them may have, since they wait in memory
FIRST_CLAIM = 32  # tasks; how large they are tells how many more there may be at once
PAGES_IN_LOG = 1000  # 4 MiB; then the runner writes them back into the file
TRIES = 5  # times that another file may come to the path while one is opened


class SqliteJournal(Untold):
    """The journal of `url`, opened at its first use. For one thread of one process: never carry it across a fork.

    `patience` is how many seconds a transaction waits for the write lock. `checkpoints` is for the runner alone.
    `is_shared`: whether its folder may be one that others may write to.
    """

    def __init__(self, url: str, *, patience: float = 5.0, checkpoints: bool = False, is_shared: bool = False) -> None:
        self.path = journal_path(url)
        self._place = Place.of(self.path, is_shared=is_shared)
        self._patience = patience
        self._checkpoints = checkpoints
        self._connection: apsw.Connection | None = None
        self._presence: Presence | None = None
        self._inherited: list[apsw.Connection] = []
        self._identity = NOWHERE

    @property
    def file(self) -> Identity:
        """Which file is open. When that changes, the journal may not know who uses it, nor what they have in hand."""
        return self._identity

    def open(self) -> None:
        """Open the file, and create or migrate it. Raises JournalUnusable or StoreFailed."""
        with translated(self.path):
            self._here()

    def _open(self) -> apsw.Connection:
        prepare_folder(self._place)
        presence = Presence(self._place, self._patience, self._make)
        try:
            self._connection = self._connected()
        except BaseException:
            presence.close()
            raise
        self._presence = presence
        return self._connection

    def _connected(self) -> apsw.Connection:
        before = Identity.at(self.path)
        connection = connect(self.path, self._patience)
        connection.pragma("wal_autocheckpoint", PAGES_IN_LOG if self._checkpoints else 0)
        migrate(connection, self.path)
        now = Identity.at(self.path)
        self._identity = now if now.file == before.file else NOWHERE
        return connection

    def _make(self) -> None:
        make_journal(self._place, self._prepare, self._patience)

    def _prepare(self, draft: apsw.Connection) -> None:
        switch_to_wal(draft, self._patience)
        migrate(draft, self.path)

    def close(self) -> None:
        """Give back the file. It is opened again when used again."""
        connection, self._connection = self._connection, None
        presence, self._presence = self._presence, None
        if connection is not None:
            if self._checkpoints and self._identity == Identity.at(self.path):
                opening.write_back(connection)
            connection.close()
        if presence is not None:
            presence.close()

    def forget(self) -> None:
        """In a forked process: use nothing of the parent's.

        Its connection is kept as it is: SQLite allows not even to close it here (sqlite.org/howtocorrupt.html §2.6).
        The descriptor by which it is present is closed, or it would look present as long as this process lives.
        """
        connection, self._connection = self._connection, None
        presence, self._presence = self._presence, None
        if connection is not None:
            self._inherited.append(connection)
        if presence is not None:
            presence.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """BEGIN IMMEDIATE … COMMIT, fsynced; rolled back on any error. Raises StoreFailed or JournalUnusable."""
        with translated(self.path):
            connection = self._begun()
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if not connection.get_autocommit():
                    connection.execute("ROLLBACK")
                raise

    def _begun(self) -> apsw.Connection:
        """The write lock on the file that is at the path.

        The lock is on the file that is open, so it is looked again once the lock is held: whoever puts a lost journal
        back holds it meanwhile, and what is written to the old one later would be lost.
        """
        for _ in range(TRIES):
            connection = self._here()
            connection.execute("BEGIN IMMEDIATE")
            if self._identity != Identity.at(self.path):
                connection.execute("ROLLBACK")
            elif not begins_as_a_journal(connection):
                connection.execute("ROLLBACK")
                raise JournalUnusable(events.journal_damaged(self.path, "it does not begin as a journal does"))
            else:
                return connection
        raise StoreFailed(events.journal_not_written(self.path, "its file is replaced again and again"))

    def _here(self) -> apsw.Connection:
        """A connection to what is at the path; a journal that was deleted while it was open is put back before."""
        now = Identity.at(self.path)
        if self._connection is not None and now == self._identity:
            return self._connection
        with reached(self.path):
            if self._connection is not None and now.file in (None, self._identity.file):
                put_back(self._place, self._connection, self._identity, self._prepare, self._patience)
            self.close()
            return self._open()

    def add(self, tasks: Iterable[NewTask], owner: int, home: Home = NO_HOME) -> None:
        """Store tasks. One that follows a task that has ended already follows nobody."""
        tasks = list(tasks)
        try:
            for some in rows.new_rows(tasks, owner):
                self._opened().execute(sql.ADD, (json.dumps(some), home.app, home.release))
        except apsw.ConstraintError as error:
            raise self._why_refused(tasks, error) from error
        if behind := [task.id for task in tasks if task.follows is not None]:
            self._opened().execute(sql.FREE_LATE_FOLLOWERS, (json.dumps(behind),))

    def _why_refused(self, tasks: Sequence[NewTask], error: apsw.Error) -> Exception:
        ids = Counter(task.id for task in tasks)
        taken = ids.keys() - self.unknown(ids) | {one for one, times in ids.items() if times > 1}
        return IdTaken(frozenset(taken)) if taken else error

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
        moved = self._moved(sql.DROP, ((now, rows.sentence(reason), task_id) for task_id, reason in reasons.items()))
        note(self._opened(), ((task_id, "dropped", 0, reasons[task_id], None) for task_id in moved), now)
        free_followers(self._opened(), moved)
        return moved

    def cancel(self, ids: Iterable[int], now: float) -> dict[int, bool]:
        """Cancel what has not begun, mark what runs; returns which of them will not finish."""
        return by_hand.cancel(self._opened(), ids, now)

    def retry(self, ids: Iterable[int], now: float) -> dict[int, bool]:
        """Let what has ended or is parked wait again; returns which of them wait now."""
        return by_hand.retry(self._opened(), ids, now)

    def delete(self, ids: Iterable[int]) -> dict[int, bool]:
        """Forget what has ended or is parked; returns which of them are gone."""
        return by_hand.delete(self._opened(), ids)

    def parked(self) -> Sequence[Parked]:
        """What the code does not know, by function and reason. Also outside of a transaction: takes no lock."""
        return parked.groups(self._read(sql.PARKED, (parked.MOST_GROUPS,)))

    def unpark(self, group: Parked, before: float, now: float) -> int:
        """Let a group of them wait again; returns how many it were."""
        return parked.unpark(self._opened(), group, before, now)

    def cancels_of(self, owner: int) -> list[int]:
        """The running tasks of a runner that are to be stopped. Also outside of a transaction: takes no lock."""
        return [int(one) for (one,) in self._read(sql.CANCELS_OF, (owner,))]

    def begin(self, ids: Iterable[int], owner: int, now: float) -> list[int]:
        """Move held inline tasks to `running`, owned by their web worker."""
        moved = self._moved(sql.BEGIN, ((owner, now, task_id) for task_id in ids))
        note(self._opened(), ((task_id, "started", 1, None, None) for task_id in moved), now)
        return moved

    def claim(
        self, runner: int, lane: Lane, limit: int, now: float, behind: int = 0, home: Home = NO_HOME
    ) -> list[Claimed]:
        """Take up to `limit` due tasks of `lane`, oldest first, in few statements: large ones a few at a time."""
        taken: list[Claimed] = []
        wanted = min(limit, FIRST_CLAIM)
        while wanted > 0:
            asked = (runner, now, str(lane), home.app, home.release, now, wanted)
            found = self._opened().execute(sql.CLAIM, asked).fetchall()
            taken += self._started(found, now)
            wanted = 0 if len(found) < wanted else rows.room_after(taken, limit)
        return taken + self._behind(taken, runner, behind, now) if taken and behind else taken

    def _behind(self, heads: Sequence[Claimed], runner: int, most: int, now: float) -> list[Claimed]:
        """Take what follows these along. None of it has begun, so no event tells of it."""
        harmless = [one.id for one in heads if not one.cuts]
        line = (runner, json.dumps(harmless), len(harmless) + most, LONGEST_LINE, SMALL)
        return self._readable(self._opened().execute(sql.CLAIM_FOLLOWERS, line).fetchall(), now)

    def began(self, attempts: Iterable[tuple[int, int, float]]) -> None:
        """What was taken along behind others runs now."""
        told = ((at, task_id, attempt) for task_id, attempt, at in attempts)
        begun: list[Any] = self._opened().executemany(sql.BEGAN, told).fetchall()
        events_of = (rows.event_row(at, (one, "started", n, None, None)) for one, n, at in begun)
        self._opened().executemany(sql.NOTE, events_of)

    def claim_company(self, runner: int, now: float, *, suspects: bool = False, home: Home = NO_HOME) -> list[Claimed]:
        """Take the oldest due task of lane `alone`, and those that may be in one process with it."""
        what = (ALONE_AFTER, suspects, home.app, home.release)
        first = self._opened().execute(sql.FIRST_ALONE, (now, *what)).fetchone()
        if first is None:
            return []
        company = 1 if suspects else first[0]
        found = self._opened().execute(sql.CLAIM_COMPANY, (runner, now, company, *what)).fetchall()
        attempts = self._started(found, now)
        self._opened().execute(sql.SEEN_AGAIN, (now, json.dumps([one.function for one in attempts])))
        return attempts

    def _started(self, found: Iterable[Sequence[Any]], now: float) -> list[Claimed]:
        attempts = self._readable(found, now)
        note(self._opened(), ((one.id, "started", one.attempt, None, None) for one in attempts), now)
        return attempts

    def _readable(self, found: Iterable[Sequence[Any]], now: float) -> list[Claimed]:
        """The attempts of these rows. One that holds what outlast does not write costs its own task only."""
        attempts = []
        for row in found:
            try:
                attempts.append(rows.claimed(row))
            except ValueError as error:
                self._set_aside(row[0], error, now)
        return attempts

    def _set_aside(self, task_id: int, error: Exception, now: float) -> None:
        if is_damaged(self._opened()):
            raise JournalUnusable(events.journal_damaged(self.path, in_one_line(error))) from error
        why = hindrances.not_readable(in_one_line(error))
        log.error("task %s: %s", shown(task_id), why)
        ended: list[Any] = self._opened().execute(sql.SET_ASIDE, (now, rows.sentence(why), task_id)).fetchall()
        for state, attempt in ended:
            note(self._opened(), [(task_id, State(state).label, attempt, why, None)], now)
        free_followers(self._opened(), [task_id])

    def has_suspect(self, now: float, home: Home = NO_HOME) -> bool:
        """Whether one is due that `claim_company` gives as a suspect. Also outside of a transaction: takes no lock."""
        return bool(self._read(sql.FIRST_ALONE, (now, ALONE_AFTER, True, home.app, home.release)))

    def learn(self, function: str, code: str, seconds: float, now: float) -> None:
        """A function has blocked an event loop: from now on it runs in lane `alone`, what waits of it too."""
        learning.learn(self._opened(), function, code, seconds, now)

    def settle(self, settlements: Iterable[Settlement], now: float) -> list[int]:
        """End attempts; one that is not the newest of a running task changes nothing."""
        by_token = {(one.id, one.attempt): one for one in self._with_cancels(settlements)}
        moved = self._moved(sql.SETTLE, (rows.settle_row(one, now) for one in by_token.values()))
        accepted = set(moved)
        ends = [one for one in by_token.values() if one.id in accepted]
        note(self._opened(), ((one.id, str(one.end), one.attempt, one.reason, one.traceback) for one in ends), now)
        free_followers(self._opened(), [one.id for one in ends if one.state in FINISHED])
        return moved

    def _with_cancels(self, settlements: Iterable[Settlement]) -> Iterator[Settlement]:
        """What was marked as to be cancelled does not wait again."""
        for one in settlements:
            waits = one.state in UNFINISHED
            yield unless_cancelled(one) if waits and self._opened().execute(sql.MARKED, (one.id,)).fetchone() else one

    def due(self, now: float) -> list[tuple[Lane, Home]]:
        """In which lanes a task of whom is ready to be claimed. Also outside of a transaction: takes no lock."""
        return list(rows.due_ones(self._read(sql.DUE, (now,))))

    def running_of(self, owner: int) -> Sequence[Claimed]:
        """The attempts that a process had claimed and not settled."""
        return self._readable(self._opened().execute(sql.RUNNING_OF, (owner,)).fetchall(), time.time())

    def held_of(self, owner: int) -> Sequence[tuple[int, Lane, str]]:
        """The tasks that a web worker had stored and neither released nor dropped."""
        held = []
        found: list[Any] = self._opened().execute(sql.HELD_OF, (owner,)).fetchall()
        for task_id, lane, function in found:
            try:
                held.append((task_id, Lane(lane.decode()), function.decode()))
            except ValueError as error:
                self._set_aside(task_id, error, time.time())
        return held

    def unknown(self, tasks: Iterable[int]) -> set[int]:
        """Those of `tasks` that the journal does not have."""
        return {int(one) for (one,) in self._opened().execute(sql.UNKNOWN, (json.dumps(list(tasks)),))}

    def adopt(self, attempts: Iterable[Claimed], owner: int, now: float) -> int:
        """Store attempts that run although the journal does not know their tasks; what runs again runs alone."""
        by_id = {one.id: one for one in attempts}
        adopted = [by_id[one] for one in self.unknown(by_id)]
        self._opened().executemany(sql.ADOPT, (rows.adopted_row(one, owner, now) for one in adopted))
        begun = [one for one in adopted if one.begun]
        note(self._opened(), ((one.id, "started", one.attempt, events.UNKNOWN_TO_JOURNAL, None) for one in begun), now)
        return len(adopted)

    def enter(self, process: ProcessEntry, known: int = 0) -> int:
        """Record a process; returns its id, which is `known` when it has one.

        A new one is drawn, not counted: a count is rolled back with its transaction, while its process may be alive.
        """
        kind, machine = one_line(process.kind, MOST_NAME), one_line(process.machine, MOST_NAME)
        number = known or rows.drawn_id(_number(self._opened().execute(sql.NEWEST_PROCESS)))
        values = (number, kind, process.pid, machine, process.started_at)
        return _number(self._opened().execute(sql.ENTER, values))

    def leave(self, process: int, reason: str, now: float) -> None:
        """Record that a process has ended and how."""
        self._opened().execute(sql.LEAVE, (now, rows.sentence(reason), process))

    def present(self, kind: str) -> Sequence[tuple[int, int]]:
        """The processes of a kind that have not left: (process id, pid). Also outside of a transaction."""
        return [(int(process), int(pid)) for process, pid in self._read(sql.PRESENT, (kind,))]

    def note(self, incidents: Iterable[Incident], now: float) -> None:
        """Record what happened to processes; a stall of a culprit of the last day is counted."""
        record(self._opened(), incidents, now)

    def surplus(self, count: int) -> int:
        """The newest done task beyond the newest `count`. Also outside of a transaction, where it belongs."""
        with translated(self.path):
            return pruning.surplus(self._here(), count)

    def prune(self, keep: Retention, limit: int, now: float, beyond: int = 0) -> int:
        """Forget up to `limit` of what is past keeping, for a few milliseconds; returns how many it were."""
        return pruning.prune(self._opened(), keep, limit, now, beyond)

    def unfinished(self) -> int:
        """How many tasks have not ended. Also outside of a transaction: takes no lock."""
        return int(self._read(sql.COUNT_UNFINISHED, ())[0][0])

    def newest(self) -> int:
        """The largest id of a task, 0 when there is none. Also outside of a transaction: takes no lock."""
        return int(self._read(sql.NEWEST, ())[0][0])

    def _opened(self) -> apsw.Connection:
        assert self._connection is not None, "verbs are called inside a transaction"  # noqa: S101
        return self._connection

    def _read(self, statement: str, bindings: Sequence[Any]) -> list[Any]:
        with translated(self.path):
            connection = self._connection
            if connection is None or connection.get_autocommit():  # within a transaction nothing may be opened anew
                connection = self._here()
            return connection.execute(statement, bindings).fetchall()

    def _moved(self, statement: str, bindings: Iterable[Sequence[Any]]) -> list[int]:
        return [int(row[0]) for row in self._opened().executemany(statement, bindings)]


def _number(answer: apsw.Cursor) -> int:
    return int(next(iter(answer))[0])
