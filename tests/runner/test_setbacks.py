"""When it is said that task processes cannot start."""

from __future__ import annotations

import pytest

from outlast.errors import WorkerRefused
from outlast.runner.ledger import Ledger
from outlast.runner.policy import Policy
from outlast.runner.setbacks import Setbacks

KILLED = "a new task process was killed by SIGKILL"


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """The level of each line since the last look, and the event that it tells."""
    found = [(one.levelname, vars(one)["event"]) for one in caplog.records]
    caplog.clear()
    return found


def test_one_that_is_killed_says_nothing_of_the_next_and_several_do(caplog: pytest.LogCaptureFixture) -> None:
    setbacks = Setbacks(Ledger(Policy()))
    for _ in range(2):
        setbacks.met(KILLED, was_killed=True)
        assert (said(caplog), setbacks.why) == ([("WARNING", "start_killed")], "")
        setbacks.over()
    setbacks.met(KILLED, was_killed=True)
    setbacks.met(KILLED, was_killed=True)
    setbacks.met(KILLED, was_killed=True)
    assert said(caplog) == [("WARNING", "start_killed"), ("ERROR", "task_processes_broken")]
    assert KILLED in setbacks.why


def test_one_that_is_killed_among_others_that_cannot_start_is_one_of_them(caplog: pytest.LogCaptureFixture) -> None:
    setbacks = Setbacks(Ledger(Policy()))
    setbacks.met("importing main:app raised ValueError")
    setbacks.met(KILLED, was_killed=True)
    assert said(caplog) == 2 * [("ERROR", "task_processes_broken")]


def test_a_worker_does_not_end_since_its_first_start_was_killed() -> None:
    setbacks = Setbacks(Ledger(Policy()))
    setbacks.is_final = True
    setbacks.met(KILLED, was_killed=True)
    with pytest.raises(WorkerRefused):
        setbacks.met(KILLED, was_killed=True)
