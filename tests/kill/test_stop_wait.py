"""`stop_wait`: a server that stops lets its tasks finish first, where everything is killed with it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.marks import slow
from tests.support.servers import eventually, serving

GUNICORN = "gunicorn uvicorn_worker"


@pytest.mark.parametrize("kind", ["uvicorn as PID 1", *slow(f"{GUNICORN} as PID 1", "gunicorn asgi as PID 1")])
def test_tasks_finish_before_a_container_stops(tmp_path: Path, kind: str) -> None:
    with serving(kind, tmp_path, OUTLAST_STOP_WAIT="20") as server:
        server.add("sleep", "def", 3.0)
        server.add("sleep_async", "async", 3.0)
        for name in ("def", "async"):
            server.wait_for("began", name)
        stop_as_a_container(server.process.pid)
        server.wait()
        assert sorted(line[1] for line in server.witnessed("ran")) == ["async", "def"], server.output
        assert {record.state for record in server.records()} == {"done"}, "also written before the end"


def stop_as_a_container(outside: int) -> None:
    """SIGTERM to process 1 of the namespace, the only child of `unshare`."""
    (first,) = map(int, Path(f"/proc/{outside}/task/{outside}/children").read_text().split())
    os.kill(first, signal.SIGTERM)


def test_the_wait_is_over_when_its_time_is(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_STOP_WAIT="0.5") as server:
        server.add("until_told", "long")
        server.wait_for("began", "long")
        server.stop()
        assert not server.witnessed("ran", "long")
        server.tell("long")
        server.wait_for("ran", "long")


def test_nothing_is_waited_for_while_other_web_workers_stay(tmp_path: Path) -> None:
    with serving("gunicorn --preload", tmp_path, OUTLAST_STOP_WAIT="60") as server:
        server.add("until_told", "long")
        server.wait_for("began", "long")
        eventually(lambda: server.add("ok", "x") and len(server.living("web")) == 2, "both have stored a task")
        worker = server.living("web")[0]
        os.kill(worker, signal.SIGTERM)
        eventually(lambda: worker not in server.living("web"), "it is gone at once")
        assert not server.witnessed("ran", "long")
        assert server.answers()
        server.tell("long")
        server.wait_for("ran", "long")


def test_a_stop_with_nothing_to_wait_for_takes_no_longer(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_STOP_WAIT="3600") as server:
        server.add("ok", "short")
        eventually(server.all_settled, "it is done")
        server.stop()
