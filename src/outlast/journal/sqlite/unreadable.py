"""Rows that hold what outlast does not write: each costs its own task only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from outlast.errors import JournalUnusable
from outlast.events import endings, hindrances, journal
from outlast.ids import shown
from outlast.journal.sqlite import rows, sequels
from outlast.journal.sqlite import statements as sql
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.moves import note
from outlast.journal.sqlite.opening import is_damaged
from outlast.tasks.task import Claimed, State
from outlast.text import in_one_line


def readable(file: JournalFile, found: Iterable[Sequence[Any]]) -> list[Claimed]:
    """The attempts of these rows. One that cannot be read ends its task. In a transaction."""
    attempts = []
    for row in found:
        try:
            attempts.append(rows.claimed(row))
        except ValueError as error:
            set_aside(file, row[0], error)
    return attempts


def set_aside(file: JournalFile, task_id: int, error: Exception) -> None:
    """End a task whose row cannot be read. Raises JournalUnusable when it is the file that is damaged."""
    if is_damaged(file.opened):
        raise JournalUnusable(journal.journal_damaged(file.path, in_one_line(error))) from error
    why = hindrances.not_readable(in_one_line(error))
    endings.TaskNotRead(shown(task_id), why).tell()
    ended: list[Any] = file.opened.execute(sql.SET_ASIDE, (file.now, rows.sentence(why), task_id)).fetchall()
    for state, attempt in ended:
        note(file.opened, [(task_id, State(state).label, attempt, why, None)], file.now)
    sequels.go_on(file, [task_id])
