"""The journal in a SQLite file. Only apsw opens it, in every process (its SQLite is newer, its busy handler ours)."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from outlast.journal.location import journal_path
from outlast.journal.sqlite.attempts import SqliteAttempts
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.gates import SqliteQueues
from outlast.journal.sqlite.lost import Identity
from outlast.journal.sqlite.processes import SqliteProcesses
from outlast.journal.sqlite.schedules import SqliteSchedules
from outlast.journal.sqlite.tasks import SqliteTasks
from outlast.journal.sqlite.turns import Turns
from outlast.journal.sqlite.untold import SqliteEnds
from outlast.journal.turn import Answers, NotIntroduced, Turn
from outlast.system.machine import THE_ONLY
from outlast.system.place import Place


class SqliteJournal:
    """The journal of `url`. Its parts share one connection.

    `patience` is how many seconds a transaction waits for the write lock. `checkpoints` is for the runner alone.
    `is_shared`: whether its folder may be one that others may write to. `clock` gives seconds since the epoch.
    `machine`: the id of this machine among those whose processes are in it.
    """

    def __init__(
        self,
        url: str,
        *,
        patience: float = 5.0,
        checkpoints: bool = False,
        is_shared: bool = False,
        clock: Callable[[], float] = time.time,
        machine: str = THE_ONLY,
    ) -> None:
        place = Place.of(journal_path(url), is_shared=is_shared)
        self.connection = JournalFile(place, patience, checkpoints=checkpoints, clock=clock)
        self.tasks = SqliteTasks(self.connection)
        self.attempts = SqliteAttempts(self.connection)
        self.processes = SqliteProcesses(self.connection, machine)
        self.ends = SqliteEnds(self.connection)
        self.queues = SqliteQueues(self.connection)
        self.schedules = SqliteSchedules(self.connection)
        self._turns = Turns(self.connection, self.processes)

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.connection.path

    @property
    def file(self) -> Identity:
        """Which file is open. When that changes, the journal may not know who uses it, nor what they have in hand."""
        return self.connection.identity

    def transaction(self) -> AbstractContextManager[None]:
        """BEGIN IMMEDIATE … COMMIT, fsynced; rolled back on any error. Raises StoreFailed or JournalUnusable."""
        return self.connection.transaction()

    def turn(self, turn: Turn) -> Answers:
        """All of a runner's batch, or nothing."""
        with self.transaction():
            if turn.introduction is None and turn.file not in (None, self.file):
                raise NotIntroduced
            return self._turns.take(turn)

    def open(self) -> None:
        """Open the file, and create or migrate it. Raises JournalUnusable or StoreFailed."""
        self.connection.open()

    def close(self) -> None:
        """Give back the file. It is opened again when used again."""
        self.connection.close()

    def forget(self) -> None:
        """In a forked process: use nothing of the parent's."""
        self.connection.forget()
