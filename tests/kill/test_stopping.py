"""Timeouts, cancels and the limit for a blocked loop stop real code, and only the guilty pays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlast.journal.read import Record
from tests.kill.test_kills import name_of
from tests.support.history import history_of
from tests.support.marks import each_started_once, slow_rows
from tests.support.processes import give_processor, stop_between_transactions
from tests.support.servers import Server, eventually, serving

INNOCENTS = {"beside-one": "until_told_async", "beside-two": "until_told_async"}
LONGER = 4.0  # seconds that they go on after they were told to end: whatever happens to others happens beside them


@pytest.fixture(scope="module", params=each_started_once(["uvicorn"]))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """For tests that neither end it nor make it different."""
    with serving(request.param, tmp_path_factory.mktemp("running")) as server:
        yield server


def cancel(server: Server, name: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("outlast")
    return subprocess.run(
        [program, "cancel", record_of(server, name).id], cwd=server.folder, capture_output=True, text=True, check=False
    )


def record_of(server: Server, name: str) -> Record:
    (found,) = [one for one in server.records() if name_of(one.arguments) == name]
    return history_of(server.journal).task(found.id)


def ended(server: Server, name: str) -> Record:
    """Its record, once its task has ended for good."""

    def has_ended() -> bool:
        states = {one.state for one in server.records() if name_of(one.arguments) == name}
        return bool(states) and not states & {"held", "waiting", "running"}

    eventually(has_ended, f"{name} ends\n{server.output}", within=30)
    return record_of(server, name)


def assert_innocents_finish(server: Server, begun: int) -> None:
    for name in INNOCENTS:
        server.tell(name)
    for name in INNOCENTS:
        record = ended(server, name)
        assert (record.state, record.crashes) == ("done", 0), f"{record}\n{server.output}"
        assert len(server.witnessed("began", name)) == begun, server.output


@pytest.mark.parametrize(
    ("task", "seconds", "innocent_begins"),
    [
        ("block", 60, 1),
        *slow_rows(
            ("hog", None, 2),
            ("swallow", None, 1),
            ("sleep", 60, 1),
            ("sleep_async", 60, 1),
            ("listen", None, 1),
            ("block_in_a_subtask", 60, 1),
            ("backtrack", None, 1),
            ("block_and_swallow", None, 2),
        ),
    ],
)
def test_a_cancelled_task_stops_and_those_beside_it_finish(
    tmp_path: Path, task: str, seconds: float | None, innocent_begins: int
) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.begin_all(INNOCENTS, LONGER)
        give_processor(server.begin(task, "guilty", seconds))
        answer = cancel(server, "guilty")
        assert (answer.returncode, "is told to stop" in answer.stdout) == (0, True), answer
        assert_innocents_finish(server, innocent_begins)
        record = ended(server, "guilty")
        assert (record.state, record.attempt) == ("cancelled", 1), f"{record}\n{server.output}"
        assert "cancelled after it had run for" in record.reason
        assert not server.witnessed("ran", "guilty")


@pytest.mark.slow
@pytest.mark.parametrize("task", ["block_at_most_3s", "sleep_at_most_3s", "sleep_async_at_most_3s"])
def test_a_task_that_takes_longer_than_its_timeout_fails_and_says_so(tmp_path: Path, task: str) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.add(task, "quick", 0.1)
        server.begin_all(INNOCENTS, LONGER)
        give_processor(server.begin(task, "guilty", 60))
        assert_innocents_finish(server, begun=1)
        record = ended(server, "guilty")
        assert (record.state, record.attempt, record.events[-1].kind) == ("failed", 1, "timeout"), record
        assert "it took longer than its timeout of 3 s" in record.reason
        assert ended(server, "quick").state == "done"


def test_a_coroutine_that_is_stopped_can_clean_up(running: Server) -> None:
    running.add("sleep_async_at_most_3s", "untidy", 60)
    running.wait_for("cleaned", "untidy")
    assert "CancelledError" in ended(running, "untidy").events[-1].traceback


def test_a_def_that_asks_is_stopped_in_place(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        child = server.begin("listen", "guilty")
        give_processor(child)
        cancel(server, "guilty")
        server.wait_for("cleaned", "guilty")
        assert ended(server, "guilty").state == "cancelled"
        server.add("ok", "next")
        assert int(server.wait_for("ran", "next")[2]) == child, "its process goes on"


def test_a_task_that_waits_is_cancelled_before_it_runs_and_only_once(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_RUNNER="off") as server:
        server.add("ok", "never")
        answer = cancel(server, "never")
        assert (answer.returncode, "cancelled" in answer.stdout) == (0, True), answer
        record = record_of(server, "never")
        assert (record.state, record.reason) == ("cancelled", "cancelled before it ran")
        assert [event.kind for event in record.events] == ["released", "cancelled"]
        again = cancel(server, "never")
        assert (again.returncode, len(record_of(server, "never").events)) == (0, 2)


def test_what_has_ended_cannot_be_cancelled_and_what_is_unknown_is_not_found(running: Server) -> None:
    running.add("ok", "it")
    assert ended(running, "it").state == "done"
    answer = cancel(running, "it")
    assert (answer.returncode, "has ended already: done" in answer.stdout) == (1, True), answer
    program = Path(sys.executable).with_name("outlast")
    unknown = subprocess.run([program, "cancel", "zzzz"], cwd=running.folder, capture_output=True, check=False)
    assert unknown.returncode in (2, 3)


def test_the_app_cancels_by_id_and_by_handle(running: Server) -> None:
    task = running.get("/handle/until_told/by-id")[1].strip('"')
    running.wait_for("began", "by-id")
    assert running.get(f"/cancel/{task}") == (200, "true")
    assert ended(running, "by-id").state == "cancelled"
    assert running.get(f"/cancel/{task}") == (200, "true"), "asking twice is the same as once"
    assert running.get("/regret/same-request") == (200, "true")
    record = ended(running, "same-request")
    assert (record.state, record.reason) == ("dropped", "cancelled before it ran")
    assert running.get("/enqueue-and-regret/at-once") == (200, "[true,true]")
    assert ended(running, "at-once").state == "cancelled"
    running.add("ok", "done")
    assert running.get(f"/cancel/{ended(running, 'done').id}") == (200, "false")
    assert running.get("/cancel/0000000000000")[0] == 500, "no such task"


def test_a_timeout_of_one_call(running: Server) -> None:
    running.get("/handle/sleep_async/late?timeout=0.5")
    record = ended(running, "late")
    assert (record.state, record.events[-1].kind) == ("failed", "timeout")
    assert "its timeout of 0.5 s" in record.reason


@pytest.mark.slow
def test_a_cancelled_task_whose_machine_goes_down_does_not_run_again(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.begin("until_told", "guilty")
        stop_between_transactions(server, *server.living("runner"))  # it cannot act on the cancel
        assert cancel(server, "guilty").returncode == 0
        server.kill_everything()
    with serving("uvicorn", tmp_path) as server:
        record = ended(server, "guilty")
        assert record.state == "cancelled"
        assert "cancelled, and cut before it had stopped" in record.reason
        assert len(server.witnessed("began", "guilty")) == 1
        said = f"task {record.id} {record.function} cancelled: {record.reason}"
        eventually(lambda: server.output.count(said) == 1, f"its end is in the log, once: {server.output}")


@pytest.mark.slow
def test_a_loop_blocked_beyond_the_limit_is_freed_and_the_blocker_runs_alone_to_its_end(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_STALL_LIMIT="6") as server:  # who is starved is silent for less
        server.begin_all(INNOCENTS, LONGER)
        give_processor(server.begin("block", "guilty", 10.0))
        record = ended(server, "guilty")
        assert (record.state, record.attempt, record.crashes, record.lane) == ("done", 2, 0, "alone"), record
        assert any("it had blocked the event loop for" in event.reason for event in record.events)
        assert_innocents_finish(server, begun=1)
        assert "has blocked an event loop" in outlast_says(server, "status")
        assert "learned    main:block has blocked an event loop" in outlast_says(server, f"show {record.id}")


@pytest.mark.slow
def test_a_process_that_is_silent_beyond_the_limit_is_ended_and_the_suspects_run_apart(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_STALL_LIMIT="6") as server:
        server.begin_all(INNOCENTS, LONGER)
        server.begin("hog", "guilty")
        assert_innocents_finish(server, begun=2)
        eventually(lambda: record_of(server, "guilty").lane == "alone", "it is set apart", within=30)
        assert cancel(server, "guilty").returncode == 0
        assert ended(server, "guilty").state == "cancelled"


def outlast_says(server: Server, command: str) -> str:
    program = Path(sys.executable).with_name("outlast")
    run = subprocess.run([program, *command.split()], cwd=server.folder, capture_output=True, text=True, check=True)
    return run.stdout


def test_a_task_gets_no_more_memory_than_it_may_have(running: Server) -> None:
    running.add("grow", "small", 10)
    running.add("grow", "large", 300)
    assert ended(running, "small").state == "done"
    record = ended(running, "large")
    assert (record.state, record.lane) == ("failed", "alone")
    assert record.reason == "MemoryError: it wanted more memory than the 100 MiB that it may have"


@pytest.mark.slow
def test_a_process_that_has_grown_is_replaced_when_it_has_finished(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_MAX_RSS="1M") as server:
        server.add("sleep", "first", 2.0)
        first = server.wait_for("began", "first")[2]
        eventually(lambda: "more than max_rss" in server.output, "it is seen")
        server.add("ok", "second")
        assert server.wait_for("ran", "second")[2] != first
        assert server.wait_for("ran", "first")[2] == first
        assert ended(server, "first").attempt == 1


@pytest.mark.slow
def test_a_task_may_survive_its_memory_error_and_its_process_does_in_any_case(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_MAX_ALONE="2") as server:
        for task in ("fill_and_go_on", "fill_and_go_on_async", "fill_and_fail", "fill_and_fail_async"):
            server.add(task, task)
        eventually(server.all_settled, f"{server.records()}\n{server.output}", within=60)
        ends = {record.function.removeprefix("main:"): record for record in server.records()}
        assert {name: record.state for name, record in ends.items()} == {
            "fill_and_go_on": "done",
            "fill_and_go_on_async": "done",
            "fill_and_fail": "failed",
            "fill_and_fail_async": "failed",
        }
        assert {record.attempt for record in ends.values()} == {1}
        wanted = "MemoryError: it wanted more memory than the 50 MiB that it may have"
        assert ends["fill_and_fail"].reason == ends["fill_and_fail_async"].reason == wanted
        eventually(lambda: server.output.count("failed on attempt 1") == 2, "both are in the log, after the report")
        errors = [line for line in server.output.splitlines() if line.startswith("ERROR")]
        assert all("failed on attempt 1" in line for line in errors)
