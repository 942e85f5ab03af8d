"""Tasks of one response run in their order, whatever comes in between: claimed at once, they begin one by one."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from outlast.journal.read import Event, Record
from tests.kill.test_kills import name_of
from tests.support.history import history_of
from tests.support.marks import slow
from tests.support.processes import kill
from tests.support.servers import Server, eventually, is_alive, serving

COUNT = 60
NAMES = [f"{number:03}" for number in range(COUNT)]
MIDDLE = NAMES[COUNT // 2]
BEHIND = NAMES[COUNT // 2 + 1 :]


def begin_line(server: Server, odd: str) -> None:
    """Until the odd one in the middle runs."""
    assert server.get(f"/line/{COUNT}/{odd}")[0] == 200
    server.wait_for("began", MIDDLE)


def ran(server: Server) -> list[str]:
    return [line[1] for line in server.witnessed("ran")]


def by_name(server: Server) -> dict[str, Record]:
    return {name_of(record.arguments): record for record in server.records()}


def wait_until_settled(server: Server) -> dict[str, Record]:
    eventually(server.all_settled, f"{server.records()}\n{server.output}", within=40)
    return by_name(server)


def test_the_order_holds_between_functions_of_both_kinds(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        assert server.get("/line/500/ok")[0] == 200
        records = wait_until_settled(server)
        assert ran(server) == [f"{number:03}" for number in range(500)]
        assert {(record.state, record.attempt) for record in records.values()} == {("done", 1)}


def test_of_a_killed_task_process_only_the_one_that_ran_pays_and_runs_again(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        begin_line(server, "until_told_async")
        seen = by_name(server)
        assert {seen[name].state for name in BEHIND} == {"waiting"}, "what has not begun does not look as if it had"
        kill(int(server.wait_for("began", MIDDLE)[2]))
        server.tell(MIDDLE)
        records = wait_until_settled(server)
        assert ran(server) == NAMES
        assert {name for name, record in records.items() if record.crashes} == {MIDDLE}
        assert {record.state for record in records.values()} == {"done"}
        assert not [name for name in BEHIND if len(server.witnessed("ran", name)) > 1]


@pytest.mark.slow
def test_after_the_death_of_the_runner_the_order_holds_and_who_had_not_begun_is_no_suspect(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        begin_line(server, "until_told_async")
        eventually(lambda: by_name(server)[MIDDLE].state == "running", "the journal knows who runs")
        running = int(server.wait_for("began", MIDDLE)[2])
        kill(server.living("runner")[0])
        eventually(lambda: not is_alive(running), "a task process ends with its runner")
        server.tell(MIDDLE)
        records = wait_until_settled(server)
        assert ran(server) == NAMES, "all that was before it had been written"
        reasons = {name: "".join(event.reason for event in events_of(server, records[name])) for name in NAMES}
        assert {name for name, reason in reasons.items() if "this was the 1st time" in reason} == {MIDDLE}
        assert "had not begun" in reasons[BEHIND[0]]


def events_of(server: Server, record: Record) -> Sequence[Event]:
    return history_of(server.journal).task(record.id).events


def test_a_cancelled_one_is_left_out_and_nobody_overtakes(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        begin_line(server, "until_told")
        gone = by_name(server)[BEHIND[0]]
        assert server.get(f"/cancel/{gone.id}") == (200, "true")
        eventually(lambda: by_name(server)[BEHIND[0]].state == "cancelled", "while the one before it still runs")
        assert by_name(server)[BEHIND[0]].reason == "cancelled before it ran"
        assert ran(server) == NAMES[: COUNT // 2]
        server.tell(MIDDLE)
        wait_until_settled(server)
        assert ran(server) == [name for name in NAMES if name != BEHIND[0]]


def test_one_that_fails_stops_nobody(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        assert server.get(f"/line/{COUNT}/fail")[0] == 200
        records = wait_until_settled(server)
        assert {name for name, record in records.items() if record.state == "failed"} == {MIDDLE}
        assert [name for name in ran(server) if name != MIDDLE] == [name for name in NAMES if name != MIDDLE]


def test_behind_one_that_blocks_its_loop_the_order_holds(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        begin_line(server, "block_until_told")
        eventually(lambda: "has been blocked for" in server.output, f"it is seen; {server.output}")
        server.tell(MIDDLE)
        wait_until_settled(server)
        assert ran(server) == NAMES


@pytest.mark.slow
def test_one_that_has_to_be_stopped_by_force_runs_again_before_those_behind_it(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_STALL_LIMIT="6", OUTLAST_GRACE="0.2") as server:
        begin_line(server, "block_and_swallow")
        eventually(lambda: len(server.witnessed("began", MIDDLE)) == 2, "it was stopped, and runs alone")
        assert ran(server) == NAMES[: COUNT // 2]
        assert server.get(f"/cancel/{by_name(server)[MIDDLE].id}") == (200, "true")
        records = wait_until_settled(server)
        assert records[MIDDLE].state == "cancelled"
        assert ran(server) == [name for name in NAMES if name != MIDDLE]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, *slow(signal.SIGKILL)])
def test_what_had_not_begun_when_the_server_ended_runs_at_the_next_start_in_its_order(
    tmp_path: Path, number: signal.Signals
) -> None:
    with serving("uvicorn", tmp_path) as server:
        begin_line(server, "until_told_async")
        runner = server.living("runner")[0]
        os.kill(server.process.pid, number)
        server.wait()
        eventually(lambda: "may go on for" in server.output, f"the runner drains; {server.output}")
        server.tell(MIDDLE)
        eventually(lambda: runner not in server.living("runner"), "the runner has left")
        assert ran(server) == NAMES[: COUNT // 2 + 1], "nothing begins while it drains"
    with serving("uvicorn", tmp_path) as server:
        records = wait_until_settled(server)
        assert ran(server) == NAMES
        assert {record.crashes for record in records.values()} == {0}


@pytest.mark.slow
def test_the_order_of_many_lines_holds_while_processes_are_killed(tmp_path: Path) -> None:
    lines, length, kinds = 8, 25, ["child", "runner", "child", "runner", "child"]
    with serving("uvicorn", tmp_path, OUTLAST_MAX_CRASHES="20") as server:
        for line in range(lines):
            assert server.get(f"/steps/{line}/{length}")[0] == 200
        for kills, kind in enumerate(kinds, 1):
            enough = lines * length * kills // (len(kinds) + 1)
            eventually(lambda enough=enough: len(set(ran(server))) >= enough, f"it goes on; {server.output}")  # type: ignore[misc]
            for pid in server.living(kind)[:1]:
                with suppress(ProcessLookupError):
                    kill(pid)
        records = wait_until_settled(server)
        assert {record.state for record in records.values()} == {"done"}
        assert len(records) == lines * length
        assert_nobody_overtakes(server)


def assert_nobody_overtakes(server: Server) -> None:
    """Whoever begins, and whoever begins again, does so after the one before it has run to its end."""
    last: dict[str, str] = {}
    for word, name, *_ in [one for one in server.witnessed() if one[0] in ("began", "ran")]:
        line, _, number = name.partition("-")
        if word == "began" and int(number):
            assert last.get(f"{line}-{int(number) - 1:03}") == "ran", name
        last[name] = word
    assert set(last.values()) == {"ran"}
