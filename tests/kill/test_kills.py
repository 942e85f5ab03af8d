"""Whatever is killed, what was accepted finishes."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.marks import slow
from tests.support.processes import give_processor, kill
from tests.support.servers import PATIENCE, WITH_SPARE, Server, eventually, is_alive, serving

GUNICORN = "gunicorn uvicorn_worker"
ARTICLE = {"1": "until_told", "2": "block_until_told", "3": "until_told_async"}
SLEEPING = {"1": "sleep", "2": "block", "3": "sleep_async"}


def wait_until_all_ran(server: Server) -> None:
    for name in ARTICLE:
        server.tell(name)
    eventually(lambda: server.times("ran").keys() == ARTICLE.keys(), f"{server.witnessed()}\n{server.output}")
    eventually(server.all_settled, f"{server.records()}")
    assert {record.state for record in server.records()} == {"done"}


@pytest.mark.parametrize("kind", ["uvicorn", *slow("gunicorn asgi", GUNICORN)])
def test_a_killed_web_worker_takes_no_task_with_it(kind: str, tmp_path: Path) -> None:
    with serving(kind, tmp_path) as server:
        server.begin_all(SLEEPING, 2.0)
        kill(server.living("web")[0])
        wait_until_all_ran(server)
        assert set(server.times("began").values()) == {1}, "each ran once"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gunicorn asgi", *slow("uvicorn", GUNICORN)])
def test_a_client_that_hangs_up_right_after_the_answer_takes_no_task_with_it(kind: str, tmp_path: Path) -> None:
    """gunicorn's asgi worker cancels what still runs in a request 3 s after its client has left."""
    with serving(kind, tmp_path) as server:
        for name, task in SLEEPING.items():
            hang_up_after_the_answer(server, f"/add/{task}/{name}?seconds=4")
        wait_until_all_ran(server)
        assert set(server.times("began").values()) == {1}


def hang_up_after_the_answer(server: Server, path: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10 * PATIENCE) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("kind", [GUNICORN])
def test_the_tasks_of_a_killed_child_run_again(kind: str, tmp_path: Path) -> None:
    with serving(kind, tmp_path, **WITH_SPARE) as server:
        server.begin_all(ARTICLE)
        killed = server.living("child")
        for pid in killed:
            kill(pid)
        wait_until_all_ran(server)
        assert not set(killed) & set(server.living("child"))
        assert all(begun > 1 for begun in server.times("began").values()), server.output
        attempts = {name_of(record.arguments): record.attempt for record in server.records()}
        assert all(begun <= attempts[name] for name, begun in server.times("began").items()), "a run without an attempt"


def name_of(arguments: str) -> str:
    return arguments.split('"name":"')[1].split('"', maxsplit=1)[0]


def test_a_killed_runner_is_replaced_and_its_tasks_run_again_uncharged(tmp_path: Path) -> None:
    with serving(GUNICORN, tmp_path, **WITH_SPARE) as server:
        server.begin_all(ARTICLE)
        (runner,) = server.living("runner")
        children = server.living("child")
        kill(runner)
        eventually(lambda: server.living("runner") not in ([], [runner]), "another runner comes")
        eventually(lambda: not any(map(is_alive, children)), "the children of the dead runner are gone")
        wait_until_all_ran(server)
        assert all(record.crashes == 0 for record in server.records()), "nobody is to blame"


def test_everything_killed_at_once_finishes_after_the_next_start(tmp_path: Path) -> None:
    with serving(GUNICORN, tmp_path, **WITH_SPARE) as server:
        server.begin_all(ARTICLE)
        server.kill_everything()
        assert not server.times("ran")
    with serving(GUNICORN, tmp_path) as server:
        wait_until_all_ran(server)
        assert all(record.crashes == 0 for record in server.records())


@pytest.mark.slow
def test_tasks_that_had_not_begun_run_after_the_next_start_too(tmp_path: Path) -> None:
    with serving(GUNICORN, tmp_path) as server:
        for number in range(3):
            server.add("ok", str(number))
        server.kill_everything()
    with serving(GUNICORN, tmp_path) as server:
        eventually(lambda: {"0", "1", "2"} <= server.times("ran").keys(), "all three ran")


def test_a_task_that_kills_its_process_every_time_ends_failed_and_says_so(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.add("crash", "poison")
        eventually(server.all_settled, f"{server.records()}\n{server.output}")
        (record,) = server.records()
        assert (record.state, record.attempt, record.crashes) == ("failed", 2, 2)
        assert "SIGKILL" in record.reason
        assert "2nd time, `max_crashes` is 2: it is not run again" in record.reason
        server.add("ok", "next")
        server.wait_for("ran", "next")


def test_a_blocked_child_gets_no_new_work_and_another_takes_over(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.add("block_until_told", "blocker")
        blocker = server.wait_for("began", "blocker")[2]
        server.add("ok_async", "free")
        other = server.wait_for("ran", "free")[2]
        assert other != blocker
        server.add("ok_async", "later")
        assert server.wait_for("ran", "later")[2] == other
        eventually(lambda: "has been blocked for" in server.output, f"it is said; {server.output}")
        server.tell("blocker")
        server.wait_for("ran", "blocker")


@pytest.mark.slow
def test_a_failing_task_says_why_and_is_not_run_again(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.add("fail", "it")
        eventually(server.all_settled, f"{server.records()}")
        (record,) = server.records()
        assert (record.state, record.attempt, record.reason) == ("failed", 1, "ValueError: it fails")
    listed = outlast("list", tmp_path)
    assert "main:fail" in listed
    page = outlast(f"show {listed.splitlines()[1].split()[0]}", tmp_path)
    assert "ValueError: it fails" in page
    assert "Traceback" in page
    assert "GET /add/fail/it" in page
    assert "failed            1" in outlast("status", tmp_path)


def test_a_refused_request_leaves_a_dropped_task_that_never_runs(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        assert server.get("/refuse/no")[0] == 409
        server.add("ok", "yes")
        server.wait_for("ran", "yes")
        eventually(server.all_settled, f"{server.records()}")
        states = {name_of(record.arguments): record.state for record in server.records()}
        assert states == {"no": "dropped", "yes": "done"}
        assert not server.witnessed("ran", "no")


def test_no_request_waits_and_no_worker_is_killed_while_a_task_blocks(tmp_path: Path) -> None:
    with serving(GUNICORN, tmp_path, "-t", "8") as server:
        server.begin("block", "blocker", 17)
        give_processor(int(server.get("/ping")[1]))
        said_before = len(server.output)
        pings: list[int] = []

        def has_run() -> bool:
            pings.append(server.get("/ping")[0])
            return bool(server.witnessed("ran", "blocker"))

        eventually(has_run, "it has run")
        assert set(pings) == {200}
        assert "WORKER TIMEOUT" not in server.output[said_before:]


def outlast(command: str, folder: Path) -> str:
    program = Path(sys.executable).with_name("outlast")
    run = subprocess.run([program, *command.split()], cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout
