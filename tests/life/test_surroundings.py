"""Unusual surroundings: process 1, a deep folder, many at once, a neighbour, no runner wanted, a quick restart."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.life.captured import captured, end, start_captured
from tests.support.marks import slow
from tests.support.processes import CHILD, kill, living_in, runners_in
from tests.support.servers import (
    KINDS,
    PATIENCE,
    PYTHON,
    SURROUNDINGS,
    descendants,
    eventually,
    is_alive,
    lay_out,
    serving,
)

SESAME, OLD, NEW = "sesame", "old", "new"
GUNICORN = "gunicorn uvicorn_worker"


def settles_on_one_runner(folder: Path) -> bool:
    """Whether one is there; one that came too late takes a second to see that and leave."""
    return len(runners_in(folder)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["uvicorn as PID 1", *slow("gunicorn uvicorn_worker as PID 1")])
def test_as_process_1_it_stops_at_once_and_the_next_start_runs_again_what_ended_with_it(
    kind: str, tmp_path: Path
) -> None:
    with captured(kind, tmp_path, TOKEN=SESAME) as capture:
        server = capture.server
        server.add("look_around", "it")
        assert server.wait_for("sees", "it") == ["sees", "it", SESAME, str(tmp_path), "True"]
        server.begin("until_told", "late")
        assert len(runners_in(tmp_path)) == 1
        os.kill(descendants(server.process.pid)[0], signal.SIGTERM)
        server.wait()
        eventually(lambda: not living_in(tmp_path), "its namespace ended with it")
        assert capture.is_over() or capture.reader.wait(5 * PATIENCE) == 0
    with captured(kind, tmp_path) as capture:
        server = capture.server
        eventually(lambda: len(server.witnessed("began", "late")) == 2, f"it begins again; {server.output}")
        server.tell("late")
        eventually(server.all_settled, f"{server.records()}")
        assert {(one.state, one.crashes) for one in server.records()} == {("done", 0)}


@pytest.mark.slow
def test_a_runner_killed_in_a_pid_namespace_is_replaced(tmp_path: Path) -> None:
    with captured("uvicorn as PID 1", tmp_path) as capture:
        server = capture.server
        server.begin("until_told", "it")
        (runner,), children = runners_in(tmp_path), living_in(tmp_path, CHILD)
        kill(runner)
        eventually(lambda: len(server.witnessed("began", "it")) == 2, f"it begins again; {server.output}")
        eventually(lambda: settles_on_one_runner(tmp_path), "one runner is left")
        assert not set(children) & set(living_in(tmp_path, CHILD))


def test_a_folder_too_deep_for_a_socket_address_works(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 60) / ("e" * 60)
    lay_out(folder)
    assert len(os.fsencode(folder)) > 107
    with captured("uvicorn", folder) as capture:
        capture.server.add("look_around", "it")
        assert capture.server.wait_for("sees", "it")[3] == str(folder)
        assert len(runners_in(folder)) == 1


@pytest.mark.slow
def test_eight_workers_that_start_at_once_with_a_task_to_do_share_one_runner(tmp_path: Path) -> None:
    with captured("uvicorn", tmp_path, OUTLAST_RUNNER="off") as capture:
        capture.server.add("ok", "waiting")
        capture.server.stop()
    with captured("gunicorn --preload", tmp_path, "-w", "8") as capture:
        server = capture.server
        server.wait_for("ran", "waiting")
        eventually(lambda: len(server.living("web")) == 8, "all eight are there")
        eventually(lambda: settles_on_one_runner(tmp_path), "one runner is left")
        server.add("ok", "another")
        server.wait_for("ran", "another")
        assert len(server.witnessed("ran", "waiting")) == 1
        assert "ERROR" not in server.output


def test_two_servers_in_one_folder_share_one_runner(tmp_path: Path) -> None:
    lay_out(tmp_path)
    captures = [start_captured("uvicorn", tmp_path) for _ in range(2)]
    try:
        servers = [capture.server for capture in captures]
        eventually(lambda: all(server.answers() for server in servers), "both answer")
        at_once = [threading.Thread(target=server.add, args=("ok", str(server.port))) for server in servers]
        for thread in at_once:
            thread.start()
        for thread in at_once:
            thread.join()
        for server in servers:
            server.wait_for("ran", str(server.port))
        eventually(lambda: settles_on_one_runner(tmp_path), "one runner is left")
        servers[0].stop()
        servers[1].add("ok", "afterwards")
        servers[1].wait_for("ran", "afterwards")
    finally:
        for capture in captures:
            end(capture)


def test_with_the_runner_off_tasks_are_only_stored(tmp_path: Path) -> None:
    with captured("uvicorn", tmp_path, OUTLAST_RUNNER="off") as capture:
        for name in ("one", "two"):
            capture.server.add("ok", name)
        eventually(lambda: {one.state for one in capture.server.records()} == {"waiting"}, "both are released")
        capture.server.stop()
        assert not living_in(tmp_path)
        assert not capture.server.witnessed("ran")


@pytest.mark.slow
def test_a_recycled_web_worker_takes_nothing_with_it(tmp_path: Path) -> None:
    with captured(GUNICORN, tmp_path, "--max-requests", "3") as capture:
        server = capture.server
        server.begin("until_told", "long")
        runners = runners_in(tmp_path)
        worker = int(server.get("/ping")[1])
        eventually(lambda: server.answers() and not is_alive(worker), f"another worker; {server.output}")
        eventually(server.answers, "it answers")
        server.add("ok", "short")
        server.wait_for("ran", "short")
        server.tell("long")
        eventually(server.all_settled, f"{server.records()}")
        assert len(server.witnessed("began", "long")) == 1
        assert runners_in(tmp_path) == runners


@pytest.mark.slow
def test_a_server_restarted_soon_gets_tasks_with_its_own_output_and_variables(tmp_path: Path) -> None:
    with captured("uvicorn", tmp_path, TOKEN=OLD, OUTLAST_LINGER="3600") as first:
        first.server.add("say", "early")
        first.server.wait_for("ran", "early")
        first.server.stop()
        eventually(first.is_over, "its captured output ends although the runner lingers")
        with captured("uvicorn", tmp_path, TOKEN=NEW) as second:
            second.server.add("look_around", "it")
            assert second.server.wait_for("sees", "it")[2] == NEW
            second.server.add("say", "later")
            second.server.wait_for("ran", "later")
            assert len(runners_in(tmp_path)) == 1
            eventually(lambda: "said later" in second.server.output, "what it prints comes beside it")
            eventually(lambda: "complained later" in second.server.output, "on both ways")
            output = second.server.output
    assert "said early" in first.server.output
    assert "complained early" in first.server.output
    assert "later" not in first.server.output
    assert "is there after" in output


def test_a_runner_whose_web_worker_died_before_its_hello_holds_no_output(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from outlast.system.place import Place; "
        "from outlast.web.reach import start_runner; "
        f"start_runner(Place.of(Path('{tmp_path}/j.db')))"
    )
    run = subprocess.run([PYTHON, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "moves the tasks" in run.stderr
    assert living_in(tmp_path), "the output has ended, and the runner has not"
    for pid in living_in(tmp_path):
        kill(pid)


@pytest.mark.slow
def test_what_a_worker_held_that_died_before_it_ever_met_the_runner_is_released(tmp_path: Path) -> None:
    lay_out(tmp_path)
    with captured("uvicorn", tmp_path) as meeting, captured("uvicorn", tmp_path) as holding:
        meeting.server.add("ok", "first")
        meeting.server.wait_for("ran", "first")
        with socket.create_connection(("127.0.0.1", holding.server.port), timeout=10 * PATIENCE) as request:
            request.sendall(b"GET /hold/kept HTTP/1.1\r\nHost: x\r\n\r\n")
            assert request.recv(1) == b"H"
            kill(holding.server.process.pid)
        meeting.server.wait_for("ran", "kept")


def test_a_task_process_that_leaves_may_flush_what_it_has(tmp_path: Path) -> None:
    with captured("uvicorn", tmp_path) as capture:
        capture.server.add("flush_at_exit", "it")
        process = capture.server.wait_for("ran", "it")[2]
        capture.server.stop()
        assert capture.server.wait_for("flushed", "it")[2] == process


@pytest.mark.slow
def test_a_script_beside_a_server_changes_nothing_of_it(tmp_path: Path) -> None:
    """Its tasks run in the environment of the server, whose own tasks and output stay what they are."""
    with captured("uvicorn", tmp_path, TOKEN="sesame") as capture:
        server = capture.server
        server.add("look_around", "before")
        server.wait_for("sees", "before")
        script = "import main, outlast; outlast.enqueue_sync(main.ok, 'asked-by-a-script')"
        environment = {**os.environ, **SURROUNDINGS, "TOKEN": "other"}
        subprocess.run([PYTHON, "-c", script], cwd=tmp_path, env=environment, check=True)
        server.wait_for("ran", "asked-by-a-script")
        server.add("look_around", "after")
        assert server.wait_for("sees", "after")[2] == server.wait_for("sees", "before")[2] == "sesame"
        assert len(runners_in(tmp_path)) == 1


@pytest.mark.slow
def test_task_processes_are_started_with_the_flags_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["-O", "-X", "dev", "-W", "error::UserWarning"]
    monkeypatch.setitem(KINDS, "uvicorn with flags", [*flags, *KINDS["uvicorn"]])
    with serving("uvicorn with flags", tmp_path) as server:
        server.add("look_at_flags", "it")
        assert server.wait_for("flags", "it")[2:] == ["1", "True", "True"]


@pytest.mark.slow
def test_no_warning_comes_of_a_task_process_that_ends_in_order(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, PYTHONWARNINGS="error", OUTLAST_LINGER="0") as server:
        server.add("ok", "it")
        server.wait_for("ran", "it")
        server.stop()
        eventually(lambda: not living_in(tmp_path), "all have ended")
        assert "Warning" not in server.output


def test_an_import_that_goes_to_a_folder_below_leaves_task_processes_where_the_server_is(tmp_path: Path) -> None:
    lay_out(tmp_path, "\nos.makedirs('data', exist_ok=True)\nos.chdir('data')\n")
    url, log = f"sqlite:///{tmp_path}/.outlast/journal.db", str(tmp_path / "witness.log")
    with serving("uvicorn", tmp_path, OUTLAST_URL=url, WITNESS=log) as server:
        server.add("look_around", "it")
        assert server.wait_for("sees", "it")[3] == str(tmp_path / "data")
