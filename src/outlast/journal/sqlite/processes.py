"""Processes in a SQLite journal: who takes part, and what happened to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from outlast.journal.contract import ProcessEntry, Processes
from outlast.journal.sqlite import rows
from outlast.journal.sqlite import statements as sql
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.incidents import record
from outlast.text import MOST_NAME, one_line
from outlast.watch.incident import Incident


class SqliteProcesses(Processes):
    """The verbs of `contract.Processes`."""

    def __init__(self, file: JournalFile, machine: str) -> None:
        self._file = file
        self._machine = machine

    def enter(self, process: ProcessEntry, known: int = 0) -> int:
        """Record a process; returns its id, which is `known` when it has one.

        A new one is drawn, not counted: a count is rolled back with its transaction, while its process may be alive.
        """
        kind, machine = one_line(process.kind, MOST_NAME), one_line(process.machine, MOST_NAME)
        number = known or rows.drawn_id(_number(self._file.opened.execute(sql.NEWEST_PROCESS)))
        values = (number, kind, process.pid, machine, process.started_at, self._machine)
        return _number(self._file.opened.execute(sql.ENTER, values))

    def present(self, kind: str) -> Sequence[tuple[int, int]]:
        return [(int(process), int(pid)) for process, pid in self._file.read(sql.PRESENT, (kind, self._machine))]

    def note(self, incidents: Iterable[Incident]) -> None:
        record(self._file.opened, incidents, self._file.now)


def _number(answer: Iterable[Sequence[int]]) -> int:
    return int(next(iter(answer))[0])
