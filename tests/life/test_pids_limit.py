"""A container or service that may have no more threads and processes (TasksMax, a pids limit): the kernel says no."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cgroups import enclose, hierarchy, new_group, no_more
from tests.support.history import history_of
from tests.support.journals import answer_to_a_task, takes_tasks
from tests.support.processes import kill
from tests.support.servers import Server, descendants, eventually, serving

ONE = {"OUTLAST_MAX_CHILDREN": "1", "OUTLAST_SPARES": "0", "OUTLAST_STORE_DEADLINE": "0.5"}


@pytest.fixture
def group() -> Iterator[Path]:
    place = hierarchy("pids")
    if place is None:
        pytest.skip("only root can make a control group with a pids limit")
    with new_group(place, "pids", f"outlast-test-{os.getpid()}") as group:
        yield group


@pytest.fixture
def server(tmp_path: Path, group: Path) -> Iterator[Server]:
    """Its processes, and all that they start, are in the group."""
    with serving("uvicorn", tmp_path, **ONE) as server:
        enclose(group, [server.process.pid, *descendants(server.process.pid)])
        yield server


def add(server: Server, task: str, name: str) -> None:
    """Until it is stored: on a busy machine half a second may be too short for it, and what comes later is dropped."""
    eventually(lambda: server.get(f"/add/{task}/{name}")[0] == 200, f"{name} is stored; {server.output}")


def ends(server: Server) -> set[tuple[str, int]]:
    """States and charged deaths of what was stored in time."""
    return {(one.state, one.crashes) for one in server.records() if one.state != "dropped"}


def reasons(server: Server, function: str) -> str:
    """All that the journal says of the attempts of a function."""
    history = history_of(server.journal)
    ids = [one.id for one in server.records() if one.function == function]
    return " ".join(event.reason for one in ids for event in history.task(one).events)


def test_a_web_worker_that_gets_no_thread_answers_503_and_takes_tasks_again_when_it_gets_one(
    server: Server, group: Path
) -> None:
    with no_more(group):
        assert answer_to_a_task(server, "refused")[0] == 503
        assert "no thread" in server.output
    eventually(lambda: takes_tasks(server, "taken"), f"it takes tasks again; {server.output}")
    server.wait_for("ran", "taken")
    assert not server.witnessed("ran", "refused")


def test_a_task_process_that_gets_no_thread_hands_the_task_back_uncharged(server: Server, group: Path) -> None:
    add(server, "ok_async", "before")
    server.wait_for("ran", "before")
    with no_more(group):
        add(server, "ok", "later")
        eventually(lambda: "could start no thread for it" in reasons(server, "main:ok"), "it is handed back")
        add(server, "ok_async", "meanwhile")
        server.wait_for("ran", "meanwhile")
    server.wait_for("ran", "later")
    eventually(server.all_settled, f"{server.records()}")
    assert ends(server) == {("done", 0)}


def test_a_runner_that_gets_no_process_starts_one_when_it_can(server: Server, group: Path) -> None:
    add(server, "ok_async", "before")
    server.wait_for("ran", "before")
    (child,) = server.living("child")
    with no_more(group):
        kill(child)
        add(server, "ok_async", "during")
        eventually(lambda: "task processes cannot start" in server.output, f"it is said; {server.output}")
    server.wait_for("ran", "during")
    assert child not in server.living("child")
