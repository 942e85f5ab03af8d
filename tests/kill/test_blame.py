"""Only the guilty pays: real deaths with innocents beside."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kill.test_kills import name_of
from tests.support.servers import WITH_SPARE, Server, eventually, serving

INNOCENTS = {f"innocent-{number}": "sleep_async" for number in range(6)}


def ends(server: Server) -> dict[str, tuple[str, int]]:
    """State and charged deaths of each task by its name."""
    eventually(server.all_settled, f"{server.records()}\n{server.output}", within=40)
    return {name_of(record.arguments): (record.state, record.crashes) for record in server.records()}


@pytest.mark.slow
def test_suspects_are_split_until_the_guilty_one_is_alone(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, **WITH_SPARE) as server:
        server.begin_all(INNOCENTS, 3.0)
        server.add("crash_async", "guilty", 0.5)
        found = ends(server)
        assert found.pop("guilty") == ("failed", 2)
        assert found == dict.fromkeys(INNOCENTS, ("done", 0))
        ran = server.times("ran")
        assert ran == dict.fromkeys(INNOCENTS, 1), "what had finished did not run again"


def test_the_stack_of_a_segfault_names_the_guilty_one_at_once(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.begin_all(dict.fromkeys(INNOCENTS, "until_told_async"))
        server.add("segfault", "guilty")
        eventually(lambda: all(server.times("began")[name] == 2 for name in INNOCENTS), server.output, within=40)
        for name in INNOCENTS:
            server.tell(name)
        found = ends(server)
        assert found.pop("guilty") == ("failed", 2)
        assert found == dict.fromkeys(INNOCENTS, ("done", 0))
        begun = server.times("began")
        assert all(begun[name] == 2 for name in INNOCENTS), "no halving was needed"
        (record,) = [one for one in server.records() if name_of(one.arguments) == "guilty"]
        assert "SIGSEGV" in record.reason


@pytest.mark.slow
def test_an_isolated_task_has_a_process_of_its_own(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.add("until_told_async", "shared")
        server.add("isolated", "one")
        server.add("isolated", "two")
        pids = {name: server.wait_for("began", name)[2] for name in ("shared", "one", "two")}
        assert len(set(pids.values())) == 3
        for name in pids:
            server.tell(name)
        assert ends(server) == dict.fromkeys(pids, ("done", 0))


def test_a_function_that_has_blocked_runs_alone_from_its_next_call_on(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.add("block_until_told", "first")
        eventually(lambda: "has been blocked for" in server.output, f"it is seen; {server.output}")
        server.tell("first")
        server.wait_for("ran", "first")
        server.add("until_told_async", "beside")
        server.add("block_until_told", "second")
        beside = server.wait_for("began", "beside")[2]
        second = server.wait_for("began", "second")[2]
        assert second != beside
        for name in ("second", "beside"):
            server.tell(name)
        assert ends(server) == dict.fromkeys(("first", "second", "beside"), ("done", 0))
        lanes = {name_of(record.arguments): record.lane for record in server.records()}
        assert lanes == {"first": "loop", "second": "alone", "beside": "loop"}


@pytest.mark.slow
def test_a_task_that_was_running_each_time_everything_went_down_is_set_apart(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.add("until_told_async", "unlucky")
        kill_everything_when_begun(server, times=1)
    with serving("uvicorn", tmp_path) as server:
        kill_everything_when_begun(server, times=2)
    with serving("uvicorn", tmp_path) as server:
        server.tell("unlucky")
        assert ends(server) == {"unlucky": ("done", 0)}
        assert server.records()[0].lane == "alone"


@pytest.mark.slow
def test_who_takes_the_machine_down_convicts_itself_alone(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.begin("until_told_async", "older")
        server.add("take_the_runner_down", "guilty")
        eventually(lambda: len(server.witnessed("began", "older")) >= 3, "both are suspects", within=40)
        server.tell("older")
        server.add("ok", "newer")
        found = ends(server)
        assert found == {"older": ("done", 0), "guilty": ("failed", 0), "newer": ("done", 0)}
        begun = server.times("began")
        assert begun["older"] == 3, "from the second time on nothing ran beside it"
        (guilty,) = [one for one in server.records() if name_of(one.arguments) == "guilty"]
        assert "for the 5th time while it ran" in guilty.reason


def kill_everything_when_begun(server: Server, times: int) -> None:
    eventually(lambda: len(server.witnessed("began", "unlucky")) >= times, "it runs")
    server.kill_everything()
