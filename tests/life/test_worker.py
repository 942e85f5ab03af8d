"""`outlast worker main:app`: the runner as a service of its own, beside a server with OUTLAST_RUNNER=external."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from outlast.settings.settings import Settings
from outlast.wire.frames import packed
from outlast.wire.hello import VERSION, Environment, Hello
from tests.life.captured import Capture, captured
from tests.support.marks import slow
from tests.support.processes import runners_in
from tests.support.servers import PATIENCE, Server, eventually, is_alive, lay_out, serving

COMMAND = [str(Path(sys.executable).with_name("outlast")), "worker", "main:app"]


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[Capture]:
    with captured("uvicorn", tmp_path, OUTLAST_RUNNER="external") as capture:
        yield capture


@pytest.fixture
def server(capture: Capture) -> Server:
    return capture.server


@contextmanager
def working(folder: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in `folder`, of which `worker.log` tells."""
    variables = {**os.environ, "TOKEN": "sesame", "OUTLAST_DRAIN": "3600", **variables}
    with (folder / "worker.log").open("ab") as log:
        worker = subprocess.Popen(COMMAND, cwd=folder, env=variables, stdout=log, stderr=log)
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()


def said(folder: Path) -> str:
    return (folder / "worker.log").read_text()


def state_of(server: Server, name: str) -> str:
    return next(one.state for one in server.records() if f'"{name}"' in one.arguments)


@pytest.mark.slow
def test_the_server_starts_no_runner_and_what_it_stored_runs_once_a_worker_is_there(server: Server) -> None:
    server.add("look_around", "it")
    eventually(lambda: state_of(server, "it") == "waiting", "it is released")
    with working(server.folder):
        assert server.wait_for("sees", "it") == ["sees", "it", "sesame", str(server.folder), "True"]
        assert not runners_in(server.folder)


def test_a_task_added_later_wakes_the_worker(server: Server) -> None:
    with working(server.folder):
        eventually(lambda: "moves the tasks" in said(server.folder), "the worker is there")
        server.add("ok", "it")
        server.wait_for("ran", "it")


@pytest.mark.slow
def test_its_task_processes_are_where_the_import_goes(tmp_path: Path) -> None:
    lay_out(tmp_path, "\nos.makedirs('data', exist_ok=True)\nos.chdir('data')\n")
    url, log = f"sqlite:///{tmp_path}/.outlast/journal.db", str(tmp_path / "witness.log")
    surroundings = {"OUTLAST_URL": url, "WITNESS": log}
    with serving("uvicorn", tmp_path, OUTLAST_RUNNER="external", **surroundings) as server:
        server.add("look_around", "it")
        with working(tmp_path, **surroundings):
            assert server.wait_for("sees", "it")[3] == str(tmp_path / "data")


def test_sigterm_lets_the_running_task_finish_and_takes_no_other(server: Server) -> None:
    server.add("until_told", "running")
    with working(server.folder) as worker:
        server.wait_for("began", "running")
        worker.send_signal(signal.SIGTERM)
        eventually(lambda: "may go on" in said(server.folder), f"it drains; {said(server.folder)}")
        server.add("ok", "late")
        server.tell("running")
        assert worker.wait(10 * PATIENCE) == 0
    assert state_of(server, "running") == "done"
    eventually(lambda: state_of(server, "late") == "waiting", "it is released")
    assert not server.witnessed("ran", "late")


@pytest.mark.slow
def test_a_second_sigint_ends_it_at_once_and_the_task_runs_again_at_the_next_start(server: Server) -> None:
    server.add("until_told", "it")
    with working(server.folder) as worker:
        child = int(server.wait_for("began", "it")[2])
        worker.send_signal(signal.SIGINT)
        eventually(lambda: "may go on" in said(server.folder), f"it drains; {said(server.folder)}")
        worker.send_signal(signal.SIGINT)
        worker.wait(10 * PATIENCE)
    assert not is_alive(child)
    assert state_of(server, "it") == "waiting"
    server.tell("it")
    with working(server.folder):
        eventually(server.all_settled, f"{server.records()}")
    assert len(server.witnessed("began", "it")) == 2
    assert [(one.state, one.crashes) for one in server.records()] == [("done", 0)]


def test_a_second_worker_is_refused_with_a_sentence(server: Server) -> None:
    with working(server.folder) as worker:
        eventually(lambda: "moves the tasks" in said(server.folder), "the first one is there")
        second = subprocess.run(COMMAND, cwd=server.folder, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert f"runner {worker.pid} already moves the tasks" in second.stderr
        assert len(second.stderr.splitlines()) == 1
        assert worker.poll() is None


@pytest.mark.slow
def test_a_worker_holds_nothing_of_a_server_that_has_stopped(capture: Capture) -> None:
    server = capture.server
    with working(server.folder) as worker:
        server.add("ok", "it")
        server.wait_for("ran", "it")
        server.stop()
        eventually(capture.is_over, "the captured output of the server ends")
        assert worker.poll() is None


@pytest.mark.parametrize("target", ["nomod:app", "main:nope", "broken:app"])
def test_a_worker_whose_app_cannot_be_imported_ends_with_an_error(target: str, tmp_path: Path) -> None:
    lay_out(tmp_path)
    (tmp_path / "broken.py").write_text("import no_such_library\n")
    command = [COMMAND[0], "worker", target]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60 * PATIENCE, check=False)
    assert done.returncode == 1
    assert f"importing {target} raised" in done.stderr
    assert "the worker ends" in done.stderr
    assert "next try" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("how", [["main:build"], *slow(["main:build", "--factory"], ["main:build()"])])
def test_a_worker_takes_a_factory_as_uvicorn_does(how: list[str], tmp_path: Path) -> None:
    with captured("uvicorn --factory", tmp_path, OUTLAST_RUNNER="external") as capture:
        capture.server.add("ok", "it")
        with (tmp_path / "worker.log").open("wb") as log:
            worker = subprocess.Popen([COMMAND[0], "worker", *how], cwd=tmp_path, stdout=log, stderr=log)
        try:
            capture.server.wait_for("ran", "it")
            assert "it has entered the lifespan of main:build" in said(tmp_path)
        finally:
            worker.kill()
            worker.wait()


@contextmanager
def greeted(folder: Path, hello: dict[str, object]) -> Iterator[socket.socket]:
    """Somebody who says hello to the runner in `folder`, and passes two files."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, Path(os.devnull).open("wb") as output:
        connection.settimeout(10 * PATIENCE)
        connection.connect(str(folder / "runner.sock"))
        socket.send_fds(connection, [packed(hello)], [output.fileno()] * 2)
        yield connection


def hello_of(folder: Path, **more: object) -> dict[str, object]:
    environment = replace(Environment.here("main:app", Settings()), folder=str(folder))
    return {**Hello(1, VERSION, serves=True, environment=environment).message(), **more}


@pytest.mark.slow
def test_a_web_worker_of_another_outlast_is_made_room_for_whatever_it_says(server: Server) -> None:
    with working(server.folder) as worker:
        eventually(lambda: "moves the tasks" in said(server.folder), "the worker is there")
        later = hello_of(server.folder, version="99", environment={"settings": {"runner": "of a later version"}})
        with greeted(server.journal.parent, later):
            assert worker.wait(20 * PATIENCE) == 0
    assert f"a web worker has outlast 99, this is {VERSION}" in said(server.folder)


def test_of_a_hello_that_is_not_understood_nothing_stays_open(server: Server) -> None:
    with working(server.folder) as worker:
        eventually(lambda: "moves the tasks" in said(server.folder), "the worker is there")
        with greeted(server.journal.parent, hello_of(server.folder, environment={})):
            eventually(lambda: "said hello in a way" in said(server.folder), "it says so")
            eventually(lambda: os.devnull not in writable_files_of(worker.pid), "what was passed is closed")


def writable_files_of(pid: int) -> list[str]:
    """What a process has open for writing, but for its own output and what it reads from."""
    held = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            flags = re.search(r"flags:\s*(\d+)", (descriptor.parents[1] / "fdinfo" / descriptor.name).read_text())
            if flags and int(flags[1], 8) & os.O_WRONLY and int(descriptor.name) > 2:
                held.append(str(descriptor.readlink()))
    return held
