"""The time to drain is over: what still runs is told, its process leaves in order, and nobody calls it a death."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.history import blamed_in
from tests.support.marks import slow_rows
from tests.support.processes import hold_still
from tests.support.servers import Server, eventually, is_alive, serving

GUNICORN = "gunicorn uvicorn_worker"


def stop_beside(server: Server, task: str, **seconds: float) -> int:
    """Stop the server while a task runs whose process has something left to flush; the pid of the runner."""
    server.add("flush_at_exit", "telemetry")
    server.wait_for("ran", "telemetry")
    server.add(task, "long", **seconds)
    server.wait_for("began", "long")
    (runner,) = server.living("runner")
    server.stop()
    return runner


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("uvicorn", "clean_up_async"),
        (GUNICORN, "until_told"),
        *slow_rows(
            (GUNICORN, "clean_up_async"),
            ("uvicorn", "listen"),
            ("uvicorn", "swallow"),
            ("uvicorn", "block_until_told"),
            ("uvicorn", "wait_in_a_thread"),
        ),
    ],
)
def test_what_still_runs_is_told_and_its_process_leaves_in_order(tmp_path: Path, kind: str, task: str) -> None:
    with serving(kind, tmp_path, OUTLAST_DRAIN="0.5", OUTLAST_LINGER="0.3", OUTLAST_SPARES="0") as server:
        runner = stop_beside(server, task)
        eventually(lambda: not is_alive(runner), f"the runner leaves; {server.output}")
        if task in ("clean_up_async", "listen", "wait_in_a_thread"):
            assert server.witnessed("cleaned", "long"), server.output
        assert not server.witnessed("ran", "long")
        opened = {line[1] for line in server.witnessed("opened")}
        assert {line[1] for line in server.witnessed("closed")} == opened, "each lifespan has ended"
        assert server.witnessed("flushed", "telemetry"), server.output
        (record,) = [one for one in server.records() if one.function == f"main:{task}"]
        assert (record.state, record.crashes, record.attempt) == ("waiting", 0, 1)
        (told,) = (one for one in server.output.splitlines() if f"task {record.id} main:{task} is cut and runs" in one)
        assert "INFO" in told
        assert "0.5 s after the last web worker had gone" in record.reason
        assert not blamed_in(server.journal), "a stop that was meant is no incident"
        assert "ERROR" not in server.output


@pytest.mark.slow
def test_what_does_not_let_go_is_ended_when_its_grace_is_over(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_DRAIN="0.3", OUTLAST_GRACE="0.5", OUTLAST_LINGER="0.3") as server:
        runner = stop_beside(server, "hog")
        eventually(lambda: not is_alive(runner), f"the runner leaves; {server.output}")
        (record,) = [one for one in server.records() if one.function == "main:hog"]
        assert (record.state, record.crashes) == ("waiting", 0)
        assert not blamed_in(server.journal)


def test_what_was_cut_at_the_end_of_a_drain_runs_again_at_the_next_start(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_DRAIN="0.3", OUTLAST_LINGER="0.3") as server:
        runner = stop_beside(server, "until_told_async")
        eventually(lambda: not is_alive(runner), f"the runner leaves; {server.output}")
        server.tell("long")
    with serving("uvicorn", tmp_path) as server:
        server.wait_for("ran", "long")


def outlast_stop(server: Server, *more: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("outlast")
    return subprocess.run([program, "stop", *more], cwd=server.folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_outlast_stop_waits_until_nothing_of_the_runner_is_there(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_LINGER="600") as server:
        server.add("ok", "it")
        eventually(server.all_settled, "it is done")
        refused = outlast_stop(server)
        assert (refused.returncode, "stop the server first" in refused.stderr) == (1, True), refused
        (runner,) = server.living("runner")
        server.stop()
        stopped = outlast_stop(server)
        assert (stopped.returncode, f"runner {runner} has ended" in stopped.stdout) == (0, True), stopped
        assert not is_alive(runner)
        assert not server.living("child")
        shutil.rmtree(tmp_path / ".outlast")
        again = outlast_stop(server)
        assert (again.returncode, "nothing to stop" in again.stdout) == (0, True), again
        assert not (tmp_path / ".outlast").exists(), "nobody has put the journal back"


def test_outlast_stop_now_lets_nothing_finish(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_DRAIN="600") as server:
        server.add("until_told", "long")
        server.wait_for("began", "long")
        server.stop()
        stopped = outlast_stop(server, "--now")
        assert (stopped.returncode, "1 task waits for the next start" in stopped.stdout) == (0, True), stopped
        assert not server.living("runner")


def test_a_runner_that_heard_both_signals_as_one_is_told_again(tmp_path: Path) -> None:
    """It had no processor when they came."""
    with serving("uvicorn", tmp_path, OUTLAST_DRAIN="600") as server, ThreadPoolExecutor() as threads:
        server.begin("until_told", "long")
        server.stop()
        (runner,) = server.living("runner")
        hold_still(runner)
        stopping = threads.submit(outlast_stop, server, "--now")
        eventually(lambda: is_pending(runner, signal.SIGTERM), "the first has come")
        time.sleep(0.5)  # and the second: nobody can see that, and the test proves less without it
        os.kill(runner, signal.SIGCONT)
        assert stopping.result().returncode == 0
        assert not server.living("runner")


def is_pending(pid: int, number: signal.Signals) -> bool:
    """proc_pid_status(5)."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["ShdPnd"], 16) >> (number - 1) & 1)
