"""child_start=fork: task processes that are copied from one that has imported the app live and die as all others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.life.captured import Capture, captured
from tests.life.test_new_code import HUP, edit, renewed
from tests.support.history import history_of
from tests.support.marks import slow, slow_rows
from tests.support.processes import hold_still, kill, living_in, runners_in, templates_in
from tests.support.servers import WITH_SPARE, Server, eventually, is_alive, lay_out

TEMPLATE = "outlast.child.template"  # in the command line of its copies, too
FRESH = "task processes start as fresh interpreters"
THREAD_AT_IMPORT = """
import threading
threading.Thread(target=time.sleep, args=(3600,), name="ticker", daemon=True).start()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with forking("gunicorn uvicorn_worker", tmp_path) as capture:
        yield capture.server


def forking(kind: str, folder: Path, **environment: str) -> AbstractContextManager[Capture]:
    return captured(kind, folder, OUTLAST_CHILD_START="fork", OUTLAST_LINGER="0.5", **WITH_SPARE, **environment)


def template_of(server: Server) -> int:
    """The newest process that has said that task processes are copied from it."""
    said = templates_in(server.output)
    assert said, server.output
    return said[-1]


def finishes_once(server: Server, times: int, crashes: int) -> None:
    """The task, when it is told to, after it has begun so many times."""
    eventually(lambda: len(server.witnessed("began", "it")) == times, f"{times}. begin; {server.output}")
    server.tell("it")
    eventually(server.all_settled, f"{server.records()} {server.output}")
    assert [(record.state, record.crashes) for record in server.records()] == [("done", crashes)]
    assert len(server.witnessed("ran", "it")) == 1


@pytest.mark.slow
def test_a_copy_has_the_servers_surroundings_and_a_lifespan_of_its_own(tmp_path: Path) -> None:
    with forking("uvicorn", tmp_path, TOKEN="sesame") as capture:
        server = capture.server
        server.add("look_around", "it")
        assert server.wait_for("sees", "it") == ["sees", "it", "sesame", str(tmp_path), "True"]
        server.add("say", "aloud")
        process = int(server.wait_for("ran", "aloud")[2])
        template = template_of(server)
        assert process in living_in(tmp_path, TEMPLATE)
        assert process != template
        assert os.getsid(process) == process
        opened = [int(line[1]) for line in server.witnessed("opened")]
        assert process in opened
        assert template not in opened
        eventually(lambda: {"said aloud first", "complained aloud first"} <= set(server.output.splitlines()), "it said")


@pytest.mark.slow
def test_a_killed_copy_is_replaced_and_its_task_runs_again(server: Server) -> None:
    process = server.begin("until_told", "it")
    template = template_of(server)
    kill(process)
    finishes_once(server, times=2, crashes=1)
    assert "was killed by SIGKILL" in server.output
    assert template_of(server) == template


@pytest.mark.slow
@pytest.mark.parametrize(("task", "status"), [("segfault", "SIGSEGV"), *slow_rows(("leave", "exited with status 7"))])
def test_who_ends_its_copy_is_charged_with_how_it_ended(server: Server, task: str, status: str) -> None:
    server.add(task, "guilty")
    eventually(server.all_settled, f"{server.records()} {server.output}")
    (record,) = server.records()
    assert (record.state, record.crashes) == ("failed", 2)
    assert status in record.reason
    stacks = [event.traceback for event in history_of(server.journal).task(record.id).events if event.traceback]
    assert len(stacks) == (2 if task == "segfault" else 0)
    assert all("in segfault" in stack for stack in stacks)


@pytest.mark.slow
def test_after_the_template_was_killed_another_one_comes_when_it_is_needed(server: Server) -> None:
    process = server.begin("until_told", "it")
    template = template_of(server)
    kill(template)
    eventually(lambda: not Path(f"/proc/{template}").exists(), "the runner has collected it")
    died = f"process {template}, which task processes are copied from, was killed by SIGKILL"
    eventually(lambda: died in server.output, "it is said")
    assert is_alive(process)
    for child in server.living("child"):
        kill(child)
    finishes_once(server, times=2, crashes=1)
    assert template_of(server) != template


@pytest.mark.slow
def test_a_template_that_dies_with_a_copy_asked_for_is_named_as_well(server: Server) -> None:
    server.begin("until_told", "it")
    eventually(lambda: has_said_ready(server, 2), f"a shared and a spare one; {server.output}")
    (runner,) = runners_in(server.folder)
    template, before = template_of(server), descriptors(runner)
    hold_still(template)
    (spare,) = [pid for pid in server.living("child") if str(pid) not in server.witnessed("began", "it")[0]]
    kill(spare)
    eventually(lambda: f"task process {spare} was killed by SIGKILL" in server.output, "its end is seen")
    eventually(lambda: descriptors(runner) == before - 1, "ends of lines of one to come, and no pidfd yet")
    kill(template)
    died = f"process {template}, which task processes are copied from, was killed by SIGKILL"
    eventually(lambda: f"{died}: that start is tried again in 1 s" in server.output, "said")
    server.tell("it")
    server.wait_for("ran", "it")


def test_copies_and_template_end_with_their_runner(server: Server) -> None:
    server.begin("until_told", "it")
    pids = [template_of(server), *server.living("child")]
    (runner,) = runners_in(server.folder)
    hold_still(template_of(server))  # it cannot act by itself
    kill(runner)
    eventually(lambda: not any(map(is_alive, pids)), "all that was the runner's is gone")
    finishes_once(server, times=2, crashes=0)


@pytest.mark.slow
def test_nobody_is_left_when_the_server_has_gone(server: Server) -> None:
    server.begin("until_told", "it")
    server.tell("it")
    server.stop()
    eventually(lambda: not living_in(server.folder), f"{server.output}")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [HUP, *slow("uvicorn --reload")])
def test_new_code_is_imported_anew(kind: str, tmp_path: Path) -> None:
    with forking(kind, tmp_path) as capture:
        server = capture.server
        old = server.begin("until_told", "it")
        template = template_of(server)
        with renewed(server, kind):
            edit(tmp_path, "second-version")
        server.add("say", "new")
        assert server.wait_for("ran", "new")[3] == "second-version"
        eventually(lambda: not is_alive(template), "the old template is gone")
        assert template_of(server) != template
        assert is_alive(old)
        server.tell("it")
        server.wait_for("ran", "it")
        eventually(lambda: not is_alive(old), "the old process leaves when it has ended its task")


@pytest.mark.slow
def test_an_app_that_starts_a_thread_at_import_is_started_afresh_each_time(tmp_path: Path) -> None:
    lay_out(tmp_path)
    main = tmp_path / "main.py"
    main.write_text(main.read_text() + THREAD_AT_IMPORT)
    with forking("uvicorn", tmp_path) as capture:
        server = capture.server
        kill(server.begin("until_told", "it"))
        finishes_once(server, times=2, crashes=1)
        assert server.output.count(FRESH) == 1, server.output
        assert "importing main:app has started 1 thread: ticker" in server.output
        assert not living_in(tmp_path, TEMPLATE)


@pytest.mark.slow
def test_a_template_that_does_not_answer_is_given_up(server: Server) -> None:
    server.begin("until_told", "it")
    template = template_of(server)
    hold_still(template)
    for child in server.living("child"):
        kill(child)
    finishes_once(server, times=2, crashes=1)
    assert not is_alive(template)
    assert server.output.count(FRESH) == 1, server.output


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [5, 25])
def test_many_copies_leave_no_zombie_and_no_descriptor(server: Server, rounds: int) -> None:
    server.add("ok", "first")
    server.wait_for("ran", "first")
    eventually(lambda: has_said_ready(server, 2), f"a shared and a spare one; {server.output}")
    (runner,) = runners_in(server.folder)
    template = template_of(server)
    before = descriptors(template), descriptors(runner)
    for number in range(1, rounds + 1):
        for child in server.living("child"):
            kill(child)
        eventually(lambda count=2 * number + 2: has_said_ready(server, count), f"two more; {server.output}")  # type: ignore[misc]
    eventually(lambda: (descriptors(template), descriptors(runner)) == before, "no descriptor is left over")
    children = Path(f"/proc/{runner}/task/{runner}/children")
    eventually(lambda: all(is_alive(int(pid)) for pid in children.read_text().split()), "no zombie is left")
    assert template_of(server) == template


def has_said_ready(server: Server, times: int) -> bool:
    return server.output.count("is there after") >= times


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.slow
def test_a_blocked_copy_gets_no_new_work(server: Server) -> None:
    server.add("block_until_told", "blocker")
    blocker = server.wait_for("began", "blocker")[2]
    server.add("ok_async", "free")
    assert server.wait_for("ran", "free")[2] != blocker
    server.tell("blocker")
    server.wait_for("ran", "blocker")


@pytest.mark.slow
@pytest.mark.parametrize("start", ["fork", *slow("spawn")])
def test_an_orphan_of_a_task_is_collected_by_the_runner(tmp_path: Path, start: str) -> None:
    with captured("uvicorn", tmp_path, OUTLAST_CHILD_START=start) as capture:
        server = capture.server
        server.add("leave_an_orphan", "it")
        server.wait_for("ran", "it")
        orphan = server.wait_for("orphan", "it")[2]
        eventually(lambda: not Path(f"/proc/{orphan}").exists(), "it is not left as a zombie")
        assert server.living("child")
