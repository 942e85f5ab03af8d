"""What is said of tasks that wait though nothing is wrong with them."""

from __future__ import annotations

import pytest

from outlast.events.waits import TasksParked


@pytest.mark.parametrize(
    ("count", "reason", "said"),
    [
        (1, "main:f is no function", "1 task of main:f waits, parked, since the code that is here does not know it: "),
        (
            2,
            "module main has no 'f'",
            "2 tasks of main:f wait, parked, since the code that is here does not know them: ",
        ),
    ],
)
def test_how_many_are_parked_and_why(count: int, reason: str, said: str) -> None:
    assert str(TasksParked("main:f", count, reason)).startswith(f"{said}{reason}. What is parked runs as soon as ")


def test_a_reason_that_asks_has_no_full_stop_behind_it() -> None:
    assert "was it renamed? What is parked" in str(TasksParked("main:f", 1, "module main has no 'f'; was it renamed?"))
