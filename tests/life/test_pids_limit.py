"""A container or service that may have no more threads and processes (TasksMax, a pids limit): the kernel says no."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.cgroups import hierarchy, no_more, pids_group
from tests.support.journals import answer_to_a_task, takes_tasks
from tests.support.servers import Server, descendants, eventually, serving

PLACE = hierarchy("pids")
pytestmark = pytest.mark.skipif(PLACE is None, reason="only root can make a control group with a pids limit")
NAME = f"outlast-test-{os.getpid()}"
ONE = {"OUTLAST_MAX_CHILDREN": "1", "OUTLAST_SPARES": "0"}


def all_of(server: Server) -> list[int]:
    return [server.process.pid, *descendants(server.process.pid)]


def test_a_web_worker_that_gets_no_thread_answers_503_and_takes_tasks_again_when_it_gets_one(tmp_path: Path) -> None:
    assert PLACE is not None
    with (
        serving("uvicorn", tmp_path, OUTLAST_STORE_DEADLINE="0.5") as server,
        pids_group(PLACE, f"{NAME}-web", *all_of(server)) as group,
    ):
        with no_more(group):
            assert answer_to_a_task(server, "refused")[0] == 503
            assert "no thread" in server.output
        eventually(lambda: takes_tasks(server, "taken"), f"it takes tasks again; {server.output}")
        server.wait_for("ran", "taken")
        assert not server.witnessed("ran", "refused")
        server.kill_everything()


def test_a_task_process_that_gets_no_thread_hands_the_task_back_uncharged(tmp_path: Path) -> None:
    assert PLACE is not None
    with (
        serving("uvicorn", tmp_path, **ONE) as server,
        pids_group(PLACE, f"{NAME}-child", *all_of(server)) as group,
    ):
        server.add("ok_async", "before")
        server.wait_for("ran", "before")
        with no_more(group):
            server.add("ok", "later")
            eventually(lambda: "cannot begin" in server.output, f"it is said; {server.output}")
            server.add("ok_async", "meanwhile")
            server.wait_for("ran", "meanwhile")
        server.wait_for("ran", "later")
        eventually(server.all_settled, f"{server.records()}")
        assert {(one.state, one.crashes) for one in server.records()} == {("done", 0)}
        server.kill_everything()


def test_a_runner_that_gets_no_process_starts_one_when_it_can(tmp_path: Path) -> None:
    assert PLACE is not None
    with (
        serving("uvicorn", tmp_path, **ONE) as server,
        pids_group(PLACE, f"{NAME}-runner", *all_of(server)) as group,
    ):
        server.add("ok_async", "before")
        server.wait_for("ran", "before")
        (child,) = server.living("child")
        with no_more(group):
            server.add("leave", "leaves")  # its process is gone, and the next one cannot be started
            eventually(lambda: "task processes cannot start" in server.output, f"it is said; {server.output}")
        server.add("ok_async", "after")
        server.wait_for("ran", "after")
        assert child not in server.living("child")
        server.kill_everything()
