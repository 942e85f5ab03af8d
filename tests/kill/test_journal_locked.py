"""Somebody has the journal's write lock and keeps it: a shell, a stopped process. The runner goes on all the same."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

from tests.life.test_worker import said, working
from tests.support.processes import CHILD, kill, living_in
from tests.support.servers import Server, eventually, serving

LOCKED = "cannot be written now: database is locked"
WITHIN = 25  # seconds in which what is told to stop has gone; it once waited for the lock, for 30


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving("uvicorn", tmp_path, OUTLAST_RUNNER="external", OUTLAST_DRAIN="5") as server:
        server.add("until_told", "it")
        eventually(lambda: [one.state for one in server.records()] == ["waiting"], "it is released")
        yield server


@contextmanager
def locked(journal: Path) -> Iterator[None]:
    """Nobody else can write there."""
    with closing(apsw.Connection(str(journal))) as connection:
        connection.set_busy_timeout(10_000)
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@pytest.mark.slow
def test_a_second_signal_ends_a_runner_at_once(server: Server) -> None:
    with working(server.folder) as worker:
        server.wait_for("began", "it")
        with locked(server.journal):
            worker.send_signal(signal.SIGTERM)
            eventually(lambda: "may go on" in said(server.folder), "it drains")
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(WITHIN) == 0
            assert not living_in(server.folder, CHILD)


def test_a_runner_that_cannot_write_drains_and_says_why_once(server: Server) -> None:
    with working(server.folder) as worker:
        server.wait_for("began", "it")
        with locked(server.journal):
            server.tell("it")
            server.wait_for("ran", "it")
            eventually(lambda: LOCKED in said(server.folder), f"it says so; {said(server.folder)}")
            worker.send_signal(signal.SIGTERM)
            eventually(lambda: not living_in(server.folder, CHILD), "its task processes have left")
        assert worker.wait(WITHIN) == 0
        assert [one.state for one in server.records()] == ["done"], "written as soon as that was possible"
        assert said(server.folder).count(LOCKED) == 1
        assert len(server.witnessed("ran", "it")) == 1


@pytest.mark.slow
def test_a_task_process_that_dies_meanwhile_is_collected_and_its_task_runs_again_later(server: Server) -> None:
    with working(server.folder):
        server.wait_for("began", "it")
        with locked(server.journal):
            (dead,) = (int(words[2]) for words in server.witnessed("began", "it"))
            kill(dead)
            eventually(lambda: not Path(f"/proc/{dead}").exists(), "it is not left a zombie")
        eventually(lambda: len(server.witnessed("began", "it")) == 2, f"it begins again; {said(server.folder)}")


@pytest.mark.slow
def test_a_runner_that_starts_waits_and_then_takes_its_place(server: Server) -> None:
    with locked(server.journal), working(server.folder):
        eventually(lambda: LOCKED in said(server.folder), f"it says what it waits for; {said(server.folder)}")
        server.tell("it")
        assert "moves the tasks" not in said(server.folder)
        with working(server.folder) as second:
            assert second.wait(WITHIN) == 1, "one of them is enough"
    with working(server.folder):
        server.wait_for("ran", "it")


def test_a_runner_that_starts_can_be_told_to_leave(server: Server) -> None:
    with locked(server.journal), working(server.folder) as worker:
        eventually(lambda: LOCKED in said(server.folder), f"it says what it waits for; {said(server.folder)}")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(WITHIN) == 0
