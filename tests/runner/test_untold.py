"""What a task process reported and did not come to log is said once it is dead, and nothing else."""

from __future__ import annotations

import pytest

from outlast.runner.untold import Untold
from outlast.tasks.outcome import Raised
from outlast.tasks.policy import FailurePolicy, kinds_of
from outlast.tasks.task import Claimed, Lane


def attempt(task: int, retries: int = 0) -> Claimed:
    return Claimed(task, 1, 0, 0, f"main:f{task}", "{}", Lane.LOOP, policy=FailurePolicy(retries=retries))


def test_what_was_logged_is_not_said_again_whichever_is_heard_first(caplog: pytest.LogCaptureFixture) -> None:
    untold = Untold()
    for task in (1, 2, 3):
        untold.add(attempt(task, retries=task - 1), Raised(f"no {task}", "", kinds_of(ValueError)))
    untold.strike(2, is_running=False)
    untold.strike(4, is_running=True)
    untold.add(attempt(4), Raised("no 4", ""))
    untold.strike(5, is_running=False)
    untold.add(attempt(5), Raised("no 5", ""))
    untold.tell()
    untold.tell()
    assert [(one.levelname, *one.getMessage().split(" ", 2)[2:]) for one in caplog.records] == [
        ("ERROR", "main:f1 failed: no 1"),
        ("WARNING", "main:f3 waits again: no 3"),
        ("ERROR", "main:f5 failed: no 5"),
    ]
