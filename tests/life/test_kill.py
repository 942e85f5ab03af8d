"""SIGKILL to each process, also beside one that a task has forked: one runner, no orphan, a finished task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.life.captured import captured
from tests.support.marks import slow
from tests.support.processes import CHILD, given_a_task_that_it_cannot_read, hold_still, kill, living_in, runners_in
from tests.support.servers import WITH_SPARE, Server, eventually, is_alive

TASKS = ["fork_until_told", *slow("until_told")]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with captured("gunicorn uvicorn_worker", tmp_path, OUTLAST_LINGER="0.5", **WITH_SPARE) as capture:
        yield capture.server


def begun(server: Server, task: str) -> list[int]:
    """Start a task; returns the pids of its process and, if it forks, of what it has forked."""
    server.add(task, "it")
    pids = [int(server.wait_for("began", "it")[2])]
    if task == "fork_until_told":
        pids.append(int(server.wait_for("forked", "it")[2]))
    return pids


def finishes_once_in(server: Server, times: int) -> None:
    """The task, when it is told to, after it has begun so many times."""
    eventually(lambda: len(server.witnessed("began", "it")) == times, f"{times}. begin; {server.output}")
    server.tell("it")
    eventually(server.all_settled, f"{server.records()} {server.output}")
    assert [record.state for record in server.records()] == ["done"]
    assert len(server.witnessed("began", "it")) == times
    assert len(server.witnessed("ran", "it")) == 1


def has_one_runner(server: Server) -> bool:
    return len(runners_in(server.folder)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_killed_web_worker_takes_nothing_with_it(server: Server, task: str) -> None:
    pids = begun(server, task)
    runners = runners_in(server.folder)
    worker = int(server.get("/ping")[1])
    kill(worker)
    eventually(lambda: server.answers() and not is_alive(worker), "another worker answers")
    assert all(map(is_alive, pids))
    assert runners_in(server.folder) == runners
    finishes_once_in(server, times=1)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_when_the_master_is_killed_its_worker_follows_the_task_ends_and_nobody_is_left(
    tmp_path: Path, task: str
) -> None:
    with captured("gunicorn asgi", tmp_path, OUTLAST_LINGER="0.5", **WITH_SPARE) as capture:
        server = capture.server
        pids = begun(server, task)
        kill(server.process.pid)
        eventually(lambda: server.process.poll() is not None, "the master is gone")
        eventually(lambda: not server.answers(), "its worker follows it")
        assert all(map(is_alive, pids))
        finishes_once_in(server, times=1)
        eventually(lambda: not living_in(tmp_path), f"{server.output}")


@pytest.mark.parametrize("task", TASKS)
def test_what_a_killed_task_process_had_started_ends_with_it(server: Server, task: str) -> None:
    pids = begun(server, task)
    runners = runners_in(server.folder)
    kill(pids[0])
    eventually(lambda: not any(map(is_alive, pids)), "the process and what it forked are gone")
    assert runners_in(server.folder) == runners
    finishes_once_in(server, times=2)
    assert server.records()[0].crashes == 1
    assert "was killed by SIGKILL" in server.output


@pytest.mark.parametrize("task", TASKS)
def test_all_processes_of_a_killed_runner_end_with_it_and_another_one_comes(server: Server, task: str) -> None:
    pids = begun(server, task)
    (runner,) = runners_in(server.folder)
    kill(runner)
    eventually(lambda: not any(map(is_alive, pids)), "its task processes and what they forked are gone")
    eventually(lambda: has_one_runner(server), "there is one runner")
    assert runners_in(server.folder) != [runner]
    finishes_once_in(server, times=2)
    assert server.records()[0].crashes == 0


def test_a_task_that_a_dying_process_never_read_is_not_charged_with_its_death(tmp_path: Path) -> None:
    """The kernel takes its time to end a process that has memory to give back: it looks alive until then."""
    with captured("uvicorn", tmp_path, OUTLAST_STALL_LIMIT="60", OUTLAST_MAX_CHILDREN="1") as capture:
        server = capture.server
        dying = given_a_task_that_it_cannot_read(server, "it")
        kill(dying)
        server.wait_for("ran", "it")
        eventually(server.all_settled, "its end is known, too")
        assert [one.crashes for one in server.records()] == [0, 0]
        events = server.record(next(one.id for one in server.records() if one.attempt == 2)).events
        assert any("before it had read it; it waits again; this does not count" in one.reason for one in events), events


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_killed_runner_takes_with_it_what_nobody_else_is_left_to_end(server: Server, task: str) -> None:
    pids = begun(server, task)
    server.stop()
    hold_still(pids[0])  # it cannot act by itself, as when C code holds the GIL
    (runner,) = runners_in(server.folder)
    kill(runner)
    eventually(lambda: not any(map(is_alive, pids)), "its task processes and what they forked are gone")
    eventually(lambda: not living_in(server.folder), "and so is the spare one, which had nothing to do")


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_after_everything_was_killed_the_next_start_finds_no_orphan_and_ends_the_task(
    tmp_path: Path, task: str
) -> None:
    with captured("gunicorn uvicorn_worker", tmp_path, **WITH_SPARE) as capture:
        pids = begun(capture.server, task)
        for pid in [capture.server.process.pid, *runners_in(tmp_path), *living_in(tmp_path, CHILD)]:
            if pid not in pids[1:]:
                kill(pid)
        eventually(lambda: not any(map(is_alive, pids)), "the process and what it forked are gone")
    with captured("gunicorn uvicorn_worker", tmp_path) as capture:
        finishes_once_in(capture.server, times=2)
        assert capture.server.records()[0].crashes == 0


@pytest.mark.slow
def test_a_worker_that_never_met_the_runner_is_somebody_to_serve_and_its_death_is_told(tmp_path: Path) -> None:
    with captured("uvicorn --workers 2", tmp_path, OUTLAST_LINGER="0") as capture:
        server = capture.server
        met = server.add("ok", "it")
        child = server.wait_for("ran", "it")[2]
        eventually(lambda: not server.answers_from(met), "another one answers")
        other = int(server.get("/ping")[1])
        kill(met)
        eventually(lambda: f"web worker {met} was killed by SIGKILL" in server.output, server.output)
        server.add("ok", "later")
        assert server.wait_for("ran", "later")[2] == child, "nobody has taken the server for gone"
        kill(other)
        eventually(lambda: f"web worker {other} was killed by SIGKILL" in server.output, server.output)
