"""A journal that is there and may not be used: another runner has it, a newer outlast wrote it, it is read-only,
or it is none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import apsw
import pytest

from outlast.journal.engines import open_journal
from outlast.journal.sqlite.schema import SCHEMA_VERSION
from tests.support.journals import answer_to_a_task, files_of, takes_tasks
from tests.support.processes import kill, runners_in
from tests.support.servers import PATIENCE, PYTHON, eventually, is_alive, lay_out, serving

OUTLAST = str(Path(sys.executable).with_name("outlast"))
NEWER = SCHEMA_VERSION + 1
IS_ROOT = os.geteuid() == 0


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command in the server's folder, to its end."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60 * PATIENCE, check=False)


def test_a_second_runner_is_refused_and_disturbs_nothing(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.add("until_told", "it")
        server.wait_for("began", "it")
        (runner,) = runners_in(tmp_path)
        second = run(tmp_path, OUTLAST, "worker", "main:app")
        assert second.returncode == 1
        assert f"runner {runner} already moves the tasks of {server.journal}: stop it first" in second.stderr
        assert runners_in(tmp_path) == [runner]
        server.tell("it")
        eventually(server.all_settled, f"{server.records()} {server.output}")
        assert len(server.witnessed("began", "it")) == len(server.witnessed("ran", "it")) == 1


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A folder with the app and a journal of the next version; returns the journal's path."""
    lay_out(tmp_path)
    path = tmp_path / ".outlast" / "journal.db"
    journal = open_journal(f"sqlite:///{path}")
    journal.open()
    journal.close()
    with closing(apsw.Connection(str(path))) as connection:
        connection.pragma("user_version", NEWER)
    return path


@pytest.mark.parametrize(
    "command",
    [
        [OUTLAST, "worker", "main:app"],
        [OUTLAST, "status"],
        [OUTLAST, "list"],
        [OUTLAST, "cancel", "6h0f30ej7mwkw"],
    ],
    ids=lambda command: command[1],
)
def test_a_command_refuses_a_newer_journal(newer: Path, command: list[str]) -> None:
    refused = run(newer.parents[1], *command)
    assert refused.returncode == 1
    assert f"the journal {newer} has version {NEWER}, this outlast knows {SCHEMA_VERSION}" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_runner_that_a_server_starts_refuses_a_newer_journal(newer: Path) -> None:
    with (newer.parents[1] / "runner.log").open("wb") as log:
        subprocess.run([PYTHON, "-m", "outlast.runner", str(newer)], stderr=log, check=True)
    said = newer.parents[1] / "runner.log"
    eventually(lambda: f"has version {NEWER}" in said.read_text(), "it says why it leaves")
    eventually(lambda: not runners_in(newer.parents[1]), "it leaves")
    assert "Traceback" not in said.read_text()


def test_a_server_on_a_newer_journal_says_so_answers_503_and_stays(newer: Path) -> None:
    with serving("gunicorn uvicorn_worker", newer.parents[1]) as server:
        worker = server.get("/ping")[1]
        eventually(lambda: f"has version {NEWER}" in server.output, "it says so at its start already")
        for _ in range(3):
            status, retry_after = answer_to_a_task(server, "refused")
            assert (status, retry_after is not None) == (503, True)
        assert server.get("/ping")[1] == worker
        assert not runners_in(server.folder)
        with closing(apsw.Connection(str(newer))) as connection:
            assert connection.pragma("user_version") == NEWER
            assert connection.execute("SELECT count(*) FROM task").fetchone() == (0,)


def test_a_server_on_its_apps_own_database_leaves_it_as_it_is_answers_503_and_says_so(tmp_path: Path) -> None:
    own = tmp_path / "shop.db"
    with closing(apsw.Connection(str(own))) as connection:
        connection.execute("CREATE TABLE orders (what TEXT); PRAGMA user_version = 5")
    own.chmod(0o600)
    before = own.read_bytes()
    with serving("uvicorn", tmp_path, OUTLAST_URL="sqlite:///shop.db") as server:
        eventually(lambda: f"{own} is not a journal of outlast's" in server.output, "it says so at its start already")
        assert answer_to_a_task(server, "refused")[0] == 503
        assert not runners_in(server.folder)
    assert own.read_bytes() == before


@contextmanager
def made_read_only(folder: Path) -> Iterator[Callable[[], None]]:
    """Nothing in `folder` can be opened for writing any more, until the returned function is called.

    What is open already stays writable, as on any system. Root may write whatever the mode says, so for root the
    folder is covered by a read-only view of itself.
    """
    with (covered if IS_ROOT else locked_up)(folder) as undo:
        yield undo.close


@contextmanager
def covered(folder: Path) -> Iterator[ExitStack]:
    with ExitStack() as undo:
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        undo.callback(lambda: subprocess.run(["umount", "-l", folder], check=True))
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield undo


@contextmanager
def locked_up(folder: Path) -> Iterator[ExitStack]:
    with ExitStack() as undo:
        for file in [*filter(Path.is_file, folder.iterdir()), folder]:
            undo.callback(file.chmod, file.stat().st_mode)
            file.chmod(file.stat().st_mode & ~0o222)
        yield undo


@pytest.mark.slow
def test_a_folder_made_read_only_holds_who_has_it_open_and_refuses_who_comes_later(tmp_path: Path) -> None:
    with serving("gunicorn uvicorn_worker", tmp_path) as server:
        server.add("ok", "before")
        server.wait_for("ran", "before")
        worker = int(server.get("/ping")[1])
        with made_read_only(server.journal.parent) as make_writable:
            assert takes_tasks(server, "open"), server.output
            server.wait_for("ran", "open")
            kill(worker)
            eventually(lambda: server.answers() and not is_alive(worker), "another worker answers")
            successor = server.get("/ping")[1]
            status, retry_after = answer_to_a_task(server, "refused")
            assert (status, retry_after is not None) == (503, True)
            assert str(server.journal) in server.output
            assert server.get("/ping")[1] == successor
            make_writable()
            eventually(lambda: takes_tasks(server, "after"), f"it recovers; {server.output}")
            server.wait_for("ran", "after")
            assert not server.witnessed("ran", "refused")
            assert server.get("/ping")[1] == successor


def test_a_read_only_journal_is_still_there_afterwards(tmp_path: Path) -> None:
    """Nobody takes a journal that cannot be opened for one that has gone."""
    with serving("uvicorn", tmp_path) as server:
        server.add("ok", "it")
        eventually(server.all_settled, "it is done")
        with made_read_only(server.journal.parent):
            reading = run(tmp_path, OUTLAST, "list")
            assert reading.returncode in (0, 1)
            assert "Traceback" not in reading.stderr
        assert [file.name for file in files_of(server.journal)] == ["journal.db", "journal.db-wal", "journal.db-shm"]
        assert not list(server.journal.parent.glob("*.lost-*"))
