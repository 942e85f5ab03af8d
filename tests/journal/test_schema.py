"""A journal of an older version: read as it is, and brought forward by exactly one of those who open it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import apsw
import pytest

from outlast.errors import IncidentNotFound, JournalUnusable
from outlast.events.journal import JournalMigrates
from outlast.ids import shown
from outlast.journal.read import IncidentCounts
from outlast.journal.sqlite import schema
from outlast.journal.sqlite.journal import SqliteJournal
from outlast.journal.sqlite.opening import connect
from outlast.journal.sqlite.rows import A_MINUTE
from outlast.journal.sqlite.schema import SCHEMA_VERSION, STEPS, version_of
from outlast.tasks.task import End, Settlement, State
from tests.support.history import history_of
from tests.support.servers import PATIENCE
from tests.support.turns import claim, opened, settle

OLD_TASK = 4711
MIGRATES = """
import sys, time
from pathlib import Path
from outlast.journal.sqlite.schema import migrate
from outlast.journal.sqlite.opening import connect

def wait(tries):
    if tries == 0:
        print("waits", flush=True)
    time.sleep(0.001)
    return True

path = Path(sys.argv[1])
connection = connect(path, patience=10.0)
connection.set_busy_handler(wait)
migrate(connection, path)
print(connection.pragma("user_version"), flush=True)
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A journal as version 1 made it, with a task that waits."""
    return made_by(tmp_path, 1)


def made_by(folder: Path, version: int) -> Path:
    path = folder / "journal.db"
    connection = apsw.Connection(str(path))
    for step in STEPS[:version]:
        connection.execute(files("outlast.journal.sqlite").joinpath(step).read_text())
    connection.execute(
        "INSERT INTO task (id, state, lane, calling, run_at, created_at, function, arguments, origin) "
        "VALUES (?, 1, 'loop', 'loop', 0, 1.0, 'app:send', '{}', 'GET /')",
        (OLD_TASK,),
    )
    connection.pragma("user_version", version)
    connection.close()
    return path


def shape(path: Path) -> tuple[int, set[str]]:
    connection = connect(path, patience=1.0, read_only=True)
    names = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    version = version_of(connection)
    connection.close()
    return version, names


def columns(path: Path) -> list[str]:
    connection = connect(path, patience=1.0, read_only=True)
    names = [str(row[1]) for row in connection.execute("PRAGMA table_info(task)")]
    connection.close()
    return names


def test_a_fresh_journal_and_a_migrated_one_have_the_same_shape(old: Path, tmp_path: Path) -> None:
    assert "incident" not in shape(old)[1]
    fresh = tmp_path / "fresh.db"
    for path in (old, fresh):
        journal = SqliteJournal(f"sqlite:///{path}")
        journal.open()
        journal.close()
    assert (shape(old), columns(old)) == (shape(fresh), columns(fresh))
    assert (shape(old)[0], {"incident", "ended"} <= shape(old)[1]) == (SCHEMA_VERSION, True)


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_what_was_in_an_older_journal_stays(tmp_path: Path, version: int) -> None:
    old = made_by(tmp_path, version)
    assert [one.function for one in history_of(old).tasks()] == ["app:send"]
    journal = SqliteJournal(f"sqlite:///{old}")
    with journal.transaction():
        assert journal.tasks.unfinished() == 1
    journal.close()
    assert [one.function for one in history_of(old).tasks()] == ["app:send"]
    assert shape(old)[0] == SCHEMA_VERSION
    assert {"context", "app", "release"} <= set(columns(old))


def test_who_is_there_in_a_journal_of_before_is_of_this_machine(tmp_path: Path) -> None:
    path = made_by(tmp_path, 6)
    connection = apsw.Connection(str(path))
    connection.execute("INSERT INTO process (id, kind, pid, machine, started_at) VALUES (7, 'web', 8, 'its host', 1.0)")
    connection.close()
    before = history_of(path).summary(2.0)
    journal = opened(f"sqlite:///{path}")
    with journal.transaction():
        assert list(journal.processes.present("web")) == [(7, 8)]
    journal.close()
    after = history_of(path).summary(2.0)
    assert (before.processes, before.elsewhere) == (after.processes, after.elsewhere)
    assert ([one.pid for one in after.processes], after.elsewhere) == ([8], {})


def test_a_task_of_a_journal_of_before_tells_the_same_story_when_it_goes_on(tmp_path: Path) -> None:
    """Version 5 noted every move: the attempt that ran when it was brought forward ends here, and runs again."""
    path = made_by(tmp_path, 5)
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE task SET state = 2, attempt = 1, owner = 7, started_at = 3.0, run_at = NULL")
    noted = [(2.0, OLD_TASK, "released", 0), (3.0, OLD_TASK, "started", 1)]
    connection.executemany("INSERT INTO event (at, task, kind, attempt) VALUES (?, ?, ?, ?)", noted)
    connection.close()
    before = [("released", 2.0, 0), ("started", 3.0, 1)]
    assert story_of(path) == before
    journal = opened(f"sqlite:///{path}")
    settle(journal, Settlement(OLD_TASK, 1, End.INTERRUPTED, State.WAITING, "cut"))
    claim(journal, 7, now=5.0)
    assert story_of(path) == [*before, ("interrupted", 4.0, 1), ("started", 5.0, 2)]
    settle(journal, Settlement(OLD_TASK, 2, End.DONE, State.DONE), now=6.0)
    journal.close()
    assert story_of(path) == [*before, ("interrupted", 4.0, 1), ("started", 5.0, 2), ("done", 6.0, 2)]


def story_of(path: Path) -> list[tuple[str, float, int]]:
    return [(one.kind, one.at, one.attempt) for one in history_of(path).task(shown(OLD_TASK)).events]


def test_what_goes_ahead_in_a_journal_of_before_still_does(tmp_path: Path) -> None:
    path = made_by(tmp_path, 17)
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("UPDATE task SET place = id - ?", (5 * A_MINUTE,))
    with closing(SqliteJournal(f"sqlite:///{path}")) as journal:
        journal.open()
    with closing(apsw.Connection(str(path))) as connection:
        assert connection.execute("SELECT ahead FROM task").fetchall() == [(5,)]


def test_that_a_large_journal_is_brought_forward_is_said_before(
    old: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(schema, "LARGE", 1)
    SqliteJournal(f"sqlite:///{old}").open()
    SqliteJournal(f"sqlite:///{old.with_name('fresh.db')}").open()
    assert [record.getMessage() for record in caplog.records] == [
        str(JournalMigrates(old, 0, 1, SCHEMA_VERSION))  # of less than one MiB
    ]


def test_an_older_journal_can_be_read_and_is_left_as_it_is(old: Path) -> None:
    history = history_of(old)
    assert [one.state for one in history.tasks()] == ["waiting"]
    task = history.tasks()[0].id
    assert history.task(task).function == "app:send"
    assert (history.incidents(), history.incidents_of(task)) == ([], [])
    assert history.summary(5.0).incidents == IncidentCounts()
    with pytest.raises(IncidentNotFound):
        history.incident("1")
    assert shape(old)[0] == 1


@pytest.mark.parametrize("use", ["read", "write"])
def test_a_newer_journal_is_refused(old: Path, use: str) -> None:
    connection = connect(old, patience=1.0)
    connection.pragma("user_version", SCHEMA_VERSION + 1)
    connection.close()
    with pytest.raises(JournalUnusable, match=f"has version {SCHEMA_VERSION + 1}"):
        history_of(old) if use == "read" else SqliteJournal(f"sqlite:///{old}").open()


def test_several_processes_that_migrate_at_once_take_each_step_once(old: Path) -> None:
    connection = connect(old, patience=1.0)
    connection.execute("BEGIN IMMEDIATE")
    command = [sys.executable, "-c", MIGRATES, str(old)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    first_words = [next(iter(process.stdout or "")) for process in processes]
    assert first_words == ["waits\n"] * 3, "all have found version 1 and want the lock"
    connection.execute("COMMIT")
    connection.close()
    last_words = [process.communicate(timeout=30 * PATIENCE)[0].splitlines()[-1] for process in processes]
    assert (last_words, [process.returncode for process in processes]) == ([str(SCHEMA_VERSION)] * 3, [0] * 3)
    assert "incident" in shape(old)[1]


def test_who_reads_an_older_journal_is_told_when_it_is_brought_to_this_version(old: Path) -> None:
    history = history_of(old)
    assert history.version() is not None
    SqliteJournal(f"sqlite:///{old}").open()
    assert history.version() is None
