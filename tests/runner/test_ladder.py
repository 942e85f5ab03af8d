"""Which rung comes next, for what is seen of an attempt that has to stop."""

from __future__ import annotations

import pytest

from outlast.runner.ladder import Grip, Rung, Sight, next_rung
from outlast.tasks.outcome import Cut, Stopped, Stuck, Why, outcome, unless_cancelled
from outlast.tasks.task import Claimed, End, Lane, State

PATIENCE, GRACE = 1.5, 10.0


@pytest.mark.parametrize(
    ("grip", "told", "interrupted", "others", "rung"),
    [
        (Grip.LOOP, 0.0, 0.0, True, Rung.WAIT),
        (Grip.LOOP, 1.4, 0.0, True, Rung.WAIT),
        (Grip.LOOP, 1.6, 0.0, True, Rung.RETIRE),
        (Grip.LOOP, 1.6, 0.0, False, Rung.RETIRE),  # it may be cleaning up
        (Grip.LOOP, 11.6, 0.0, False, Rung.KILL),
        (Grip.THREAD, 1.4, 0.0, False, Rung.WAIT),
        (Grip.THREAD, 1.6, 0.0, False, Rung.KILL),
        (Grip.THREAD, 1.6, 0.0, True, Rung.RETIRE),
        (Grip.THREAD, 11.6, 0.0, True, Rung.KILL),
        (Grip.BLOCKS, 0.0, 0.0, True, Rung.INTERRUPT),
        (Grip.BLOCKS, 5.0, 0.4, True, Rung.INTERRUPT),
        (Grip.BLOCKS, 5.0, 0.6, True, Rung.KILL),
        (Grip.SILENT, 0.0, 0.0, True, Rung.INTERRUPT),
        (Grip.SILENT, 1.0, 0.6, False, Rung.KILL),
        (Grip.WAITS, 99.0, 0.0, True, Rung.WAIT),
    ],
)
def test_the_next_rung(grip: Grip, told: float, interrupted: float, others: bool, rung: Rung) -> None:
    assert next_rung(Sight(grip, told, interrupted, others), PATIENCE, GRACE) is rung


ATTEMPT = Claimed(1, 2, crashes=1, cuts=1, function="app:f", arguments="{}", lane=Lane.LOOP, timeout=5.0)


@pytest.mark.parametrize(
    ("happened", "end", "state", "group_size", "words"),
    [
        (Stopped(Why.TIMEOUT, 5.1), End.TIMEOUT, State.FAILED, None, "longer than its timeout of 5 s"),
        (Stopped(Why.TIMEOUT, 5.1, pid=7), End.TIMEOUT, State.FAILED, None, "its process 7 was ended"),
        (Stopped(Why.CANCEL, 2.0), End.CANCELLED, State.CANCELLED, None, "cancelled after it had run for 2.0 s"),
        (Stopped(Why.STALL, 60.0), End.INTERRUPTED, State.WAITING, 1, "blocked the event loop for 60.0 s"),
        (Stuck(7, 61.0, among=5), End.INTERRUPTED, State.WAITING, 2, "with at most 1 beside it"),
        (
            Stuck(7, 61.0, among=1),
            End.INTERRUPTED,
            State.WAITING,
            1,
            "again, alone; this does not count against it",
        ),
    ],
)
def test_what_becomes_of_an_attempt_that_was_stopped(
    happened: Stopped | Stuck, end: End, state: State, group_size: int | None, words: str
) -> None:
    settled = outcome(happened, ATTEMPT, max_crashes=2)
    assert (settled.end, settled.state, settled.group_size, settled.cuts) == (end, state, group_size, 0)
    assert words in settled.reason


def test_what_was_cancelled_does_not_run_again() -> None:
    cut = outcome(Cut("its runner was stopped"), ATTEMPT, max_crashes=2)
    settled = unless_cancelled(cut)
    assert (settled.id, settled.attempt, settled.state) == (1, 2, State.CANCELLED)
    assert settled.reason == "cancelled, and cut before it had stopped (cut since its runner was stopped)"
