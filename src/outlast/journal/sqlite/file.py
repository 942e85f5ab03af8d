"""The file of a SQLite journal while it is open: its connection, its transactions, and which file it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import apsw

from outlast.errors import JournalUnusable, StoreFailed
from outlast.events import journal
from outlast.journal.location import prepare_folder, reached
from outlast.journal.sqlite import opening
from outlast.journal.sqlite.lost import NOWHERE, Identity, Presence, put_back
from outlast.journal.sqlite.opening import begins_as_a_journal, connect, translated
from outlast.journal.sqlite.schema import migrate
from outlast.system.place import Place

PAGES_IN_LOG = 1000  # 4 MiB; then the runner writes them back into the file
TRIES = 5  # times that another file may come to the path while one is opened


class JournalFile:
    """The journal at `place`, opened at its first use. For one thread of one process: never carry it across a fork.

    `patience` is how many seconds a transaction waits for the write lock. `checkpoints` is for the runner alone.
    now: when the transaction began, by `clock` (seconds since the epoch).
    """

    def __init__(
        self, place: Place, patience: float, *, checkpoints: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self.clock = clock
        self.now = 0.0
        self.path = place.journal
        self.identity = NOWHERE  # when that changes, it may not know who uses it, nor what they have in hand
        self._place = place
        self._patience = patience
        self._checkpoints = checkpoints
        self._connection: apsw.Connection | None = None
        self._presence: Presence | None = None
        self._inherited: list[apsw.Connection] = []

    def open(self) -> None:
        """Open the file, and create or migrate it. Raises JournalUnusable or StoreFailed."""
        with translated(self.path):
            self._here()

    def _open(self) -> apsw.Connection:
        prepare_folder(self._place)
        presence = Presence(self._place, self._patience)
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
        self.identity = now if now.file == before.file else NOWHERE
        return connection

    def close(self) -> None:
        """Give back the file. It is opened again when used again."""
        connection, self._connection = self._connection, None
        presence, self._presence = self._presence, None
        if connection is not None:
            if self._checkpoints and self.identity == Identity.at(self.path):
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
            if self.identity != Identity.at(self.path):
                connection.execute("ROLLBACK")
            elif not begins_as_a_journal(connection):
                connection.execute("ROLLBACK")
                raise JournalUnusable(journal.journal_damaged(self.path, "it does not begin as a journal does"))
            else:
                self.now = self.clock()
                return connection
        raise StoreFailed(journal.journal_not_written(self.path, "its file is replaced again and again"))

    def _here(self) -> apsw.Connection:
        """A connection to what is at the path; a journal that was deleted while it was open is put back before."""
        now = Identity.at(self.path)
        if self._connection is not None and now == self.identity:
            return self._connection
        with reached(self.path):
            if self._connection is not None and now.file in (None, self.identity.file):
                put_back(self._place, self._connection, self.identity, self._patience)
            self.close()
            return self._open()

    @property
    def opened(self) -> apsw.Connection:
        """The connection, inside a transaction."""
        assert self._connection is not None, "verbs are called inside a transaction"  # noqa: S101
        return self._connection

    def read(self, statement: str, bindings: Sequence[Any] = ()) -> list[Any]:
        """What is asked for, also outside of a transaction: takes no lock."""
        with translated(self.path):
            connection = self._connection
            if connection is None or connection.get_autocommit():  # within a transaction nothing may be opened anew
                connection = self._here()
            return connection.execute(statement, bindings).fetchall()
