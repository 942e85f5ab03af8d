"""Attempts in a SQLite journal: begun, settled, fenced by (task, attempt)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from outlast.journal.contract import Attempts
from outlast.journal.sqlite import by_hand, claims, later, rows, sequels
from outlast.journal.sqlite import statements as sql
from outlast.journal.sqlite.admission import survey
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.moves import moved, note
from outlast.system.deployment import NO_HOME, Home
from outlast.tasks.outcome import ALONE_AFTER
from outlast.tasks.task import FINISHED, Claimed, End, Lane, Settlement, State


class SqliteAttempts(Attempts):
    """The verbs of `contract.Attempts`."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def begin(self, ids: Iterable[int], owner: int) -> list[int]:
        return moved(self._file.opened, sql.BEGIN, ((owner, self._file.now, task_id) for task_id in ids))

    def settle(self, settlements: Iterable[Settlement]) -> list[int]:
        """End attempts; one that is not the newest of a running task changes nothing."""
        connection, now = self._file.opened, self._file.now
        by_token = {(one.id, one.attempt): one for one in by_hand.with_cancels(connection, settlements)}
        settled = moved(connection, sql.SETTLE, (rows.settle_row(one, now) for one in by_token.values()))
        accepted = set(settled)
        ends = [one for one in by_token.values() if one.id in accepted]
        connection.executemany(sql.KEEP_RESULT, rows.result_rows(ends))
        told = (one for one in ends if not _is_plain(one))
        note(connection, ((one.id, str(one.end), one.attempt, one.reason, one.traceback) for one in told), now)
        sequels.go_on(self._file, [one.id for one in ends if one.state in FINISHED])
        return settled

    def next_in(self) -> float | None:
        return later.next_in(self._file)

    def due(self) -> list[tuple[Lane, Home]]:
        now = self._file.clock()
        ready = rows.due_ones(self._file.read(sql.DUE, (now,)))
        return list({**dict.fromkeys(ready), **dict.fromkeys(survey(self._file, now).due)})

    def is_waiting(self, lane: Lane) -> bool:
        return bool(self._file.read(sql.IS_WAITING, (str(lane),)))

    def has_suspect(self, home: Home = NO_HOME) -> bool:
        return bool(self._file.read(sql.FIRST_ALONE, (ALONE_AFTER, True, home.app, home.release)))

    def cancels_of(self, owner: int) -> list[int]:
        return [int(one) for (one,) in self._file.read(sql.CANCELS_OF, (owner,))]

    def running_of(self, owner: int) -> Sequence[Claimed]:
        with self._file.transaction():
            return claims.running_of(self._file, owner)


def _is_plain(end: Settlement) -> bool:
    """Whether the task's own columns tell all of it."""
    return end.end is End.DONE and end.state is State.DONE and not (end.reason or end.traceback)
