"""The event loop of a task process is everybody's: no task takes it away from the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from outlast.journal.read import Record
from tests.kill.test_kills import name_of
from tests.support.marks import first_at_once
from tests.support.servers import Server, eventually, serving

BESIDE = {"on-the-loop": "until_told_async", "in-a-subtask": "gather_until_told", "in-a-thread": "until_told"}
EXITS = {
    "exit_when_gathered": "SystemExit('bad input') in _exit (main.py:",
    "exit_beside": "SystemExit('bad input') in _exit (main.py:",
    "exit_in_a_callback": "SystemExit('bad input') in ",
    "interrupt_when_gathered": "KeyboardInterrupt() in _press_ctrl_c (main.py:",
}


def ended(server: Server, name: str) -> Record:
    """The task of this name, once it has ended."""

    def found() -> list[Record]:
        return [one for one in server.records() if name_of(one.arguments) == name and one.state in ("done", "failed")]

    eventually(found, f"{server.records()}\n{server.output}")
    return found()[0]


def with_others_beside(folder: Path, guilty: str, judge: Callable[[Server, Record], None]) -> dict[str, int]:
    """Run a task beside innocent ones and `judge` its end; returns how often each of those was tried until done."""
    with serving("uvicorn", folder) as server:
        for name, task in BESIDE.items():
            server.add(task, name)
            server.wait_for("began", name)
        server.add(guilty, "guilty")
        judge(server, ended(server, "guilty"))
        for name in BESIDE:
            server.tell(name)
        innocents = {name: ended(server, name) for name in BESIDE}
        assert {one.state for one in innocents.values()} == {"done"}
        assert not any(one.crashes for one in innocents.values())
        return {name: one.attempt for name, one in innocents.items()}


@pytest.mark.parametrize("guilty", first_at_once(EXITS))
def test_an_exit_in_a_subtask_ends_its_own_task_only(guilty: str, tmp_path: Path) -> None:
    def judge(server: Server, record: Record) -> None:
        assert (record.state, record.attempt, record.crashes) == ("failed", 1, 0)
        assert record.reason.startswith(f"it ended the event loop of its process: {EXITS[guilty]}"), record.reason
        assert f"(main:{guilty}) ended the event loop of task process" in server.output

    assert with_others_beside(tmp_path, guilty, judge) == dict.fromkeys(BESIDE, 1)


@pytest.mark.slow
def test_a_task_that_stops_the_loop_is_told_at_that_line(tmp_path: Path) -> None:
    def judge(_server: Server, record: Record) -> None:
        assert record.reason.startswith("RuntimeError: a task cannot call stop() of its event loop"), record.reason

    assert with_others_beside(tmp_path, "stop_the_loop", judge) == dict.fromkeys(BESIDE, 1)


def test_who_is_cancelled_by_another_task_runs_again_uncharged(tmp_path: Path) -> None:
    def judge(server: Server, record: Record) -> None:
        assert record.state == "failed"
        assert record.reason.startswith("RuntimeError: this would cancel what other tasks do"), record.reason
        assert "main:cancel_everybody) cancels what others do on the event loop of task process" in server.output

    attempts = with_others_beside(tmp_path, "cancel_everybody", judge)
    assert attempts["on-the-loop"] == attempts["in-a-thread"] == 1, "these were not to be reached"


@pytest.mark.slow
def test_a_task_may_cancel_itself(tmp_path: Path) -> None:
    def judge(_server: Server, record: Record) -> None:
        assert (record.state, record.reason) == ("failed", "CancelledError")

    assert with_others_beside(tmp_path, "cancel_itself", judge) == dict.fromkeys(BESIDE, 1)
