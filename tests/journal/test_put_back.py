"""A journal that is put back to its path has what the one had that was lost, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path

import apsw

from outlast.journal.engines import open_history, open_journal
from outlast.tasks.task import Lane, NewTask, State


def test_what_a_new_journal_begins_with_is_not_added_to_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = open_journal(f"sqlite:///{path}")
    journal.open()
    secret = open_history(f"sqlite:///{path}").secret()
    task = NewTask(1, "app:work", "{}", Lane.LOOP, State.HELD, time.time(), "", stashed=("a" * 32,))
    with journal.transaction():
        journal.tasks.add([task], 1)
    path.unlink()
    with journal.transaction():
        assert journal.tasks.unfinished() == 1
    journal.close()
    connection = apsw.Connection(str(path))
    assert connection.execute("SELECT value FROM secret").fetchall() == [(secret,)]
    assert connection.execute("SELECT * FROM stash").fetchall() == [("a" * 32, 1)]
    connection.close()
