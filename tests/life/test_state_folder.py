"""A state folder apart from the journal: processes meet there, and what is beside the journal still decides."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlast.system.place import Place
from tests.kill.test_journal_refused import made_read_only
from tests.support.processes import kill, runners_in
from tests.support.servers import PATIENCE, Server, eventually, serving

OUTLAST = str(Path(sys.executable).with_name("outlast"))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Nobody has made it."""
    return tmp_path / "run" / "app"


@pytest.fixture
def server(tmp_path: Path, state: Path) -> Iterator[Server]:
    with serving("gunicorn uvicorn_worker", tmp_path / "app", OUTLAST_STATE_FOLDER=str(state)) as server:
        yield server


def command(server: Server, state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    named = {**os.environ, "OUTLAST_STATE_FOLDER": str(state)}
    given = [OUTLAST, *words]
    limit = 30 * PATIENCE
    return subprocess.run(
        given, cwd=server.folder, env=named, capture_output=True, text=True, timeout=limit, check=False
    )


@pytest.mark.slow
def test_socket_and_boxes_are_in_the_state_folder_and_nothing_else_changes(server: Server, state: Path) -> None:
    server.begin("sleep_async", "it", 600)
    there = sorted(file.name.partition("-")[0] for file in state.glob("*/*") if file.suffix != ".crash")
    assert there == ["child", "runner.sock", "web"]
    beside = {file.name for file in server.journal.parent.iterdir()} - {".journal.db.turns"}
    journal = {f"journal.db{side}" for side in ("", "-wal", "-shm")}
    assert beside == {*journal, ".journal.db.lock", "processes.lock", ".gitignore"}
    (runner,) = runners_in(server.folder)
    kill(runner)
    eventually(lambda: len(server.witnessed("began", "it")) == 2, f"it begins again; {server.output}")
    kill(server.living("web")[0])
    eventually(lambda: "was killed by SIGKILL from outside" in server.output, "its box is found")
    (record,) = server.records()
    assert command(server, state, "cancel", record.id).returncode == 0
    eventually(lambda: server.records()[0].state == "cancelled", f"the runner was told; {server.records()}")


@pytest.mark.slow
def test_a_state_folder_that_cannot_be_written_is_told_of_in_the_log_and_by_doctor(tmp_path: Path) -> None:
    folder, state = tmp_path / "app", tmp_path / "run"
    state.mkdir()
    its = Place.of(folder / ".outlast" / "journal.db", state=state / "app").state
    said = f"the state folder {its} cannot be used, since {state} is "
    with made_read_only(state):
        with serving("uvicorn", folder, OUTLAST_STATE_FOLDER=str(state / "app")) as server:
            server.add("ok", "it")
            eventually(lambda: [one.state for one in server.records()] == ["waiting"], "it is stored")
            eventually(lambda: f"the state folder {its} cannot be made" in server.output, server.output)
        with serving("uvicorn", folder, OUTLAST_STATE_FOLDER=str(state / "app")) as server:
            eventually(lambda: said in server.output, f"the next server says it at its start; {server.output}")
            assert said in command(server, state / "app", "doctor", "main:app").stdout


@pytest.mark.slow
def test_who_has_another_state_folder_does_not_run_beside_the_runner(server: Server, state: Path) -> None:
    server.begin("until_told", "it")
    (runner,) = runners_in(server.folder)
    refused = command(server, state / "another", "worker", "main:app")
    assert f"runner {runner} already moves the tasks of {server.journal}" in refused.stderr
    server.tell("it")
    eventually(server.all_settled, f"{server.records()}")
    assert len(server.witnessed("ran", "it")) == 1
