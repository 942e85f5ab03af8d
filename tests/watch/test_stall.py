"""What a silent event loop means, and how often the log says it again."""

from __future__ import annotations

import pytest

from outlast.incidents import Cause
from outlast.watch.stall import Silence, cause_of, is_worth_a_line

STALL_AFTER = 1.0
MEANINGS: dict[str, tuple[Silence, Cause | None]] = {
    "silent for less than stall_after": (Silence(0.99, same_step=0.9), None),
    "asleep in one step": (Silence(1.0, same_step=0.4), Cause.BLOCKED),
    "computing in one step": (Silence(3.0, ran=3.0, process=3.0, same_step=2.4), Cause.BLOCKED),
    "seen in one step for too short a time": (Silence(1.2, same_step=0.3), None),
    "seen in no step for long": (Silence(1.5, ran=1.4, same_step=0.2), Cause.SATURATED),
    "in a step at last, though it was seen in others before": (Silence(2.0, ran=2.0, same_step=0.4), Cause.BLOCKED),
    "the watching thread came late, the loop's thread ran": (Silence(2.0, ran=1.9, late=1.4), Cause.HELD),
    "the watching thread came late, another thread ran": (Silence(2.0, process=1.9, late=1.4), Cause.HELD),
    "the watching thread came late, no thread ran": (Silence(2.0, process=0.1, late=1.4), Cause.FROZEN),
    "the lock was held, and the loop's thread in line now and then": (
        Silence(5.0, waited=3.5, ran=1.4, late=3.0),
        Cause.HELD,
    ),
    "the process was stopped, a moment after its loop had beaten and computed": (
        Silence(1.2, ran=0.25, process=0.3, late=0.6),
        Cause.FROZEN,
    ),
    "the watching thread came a little late": (Silence(2.0, late=0.3, same_step=1.0), Cause.BLOCKED),
    "in line for a processor nearly all the time": (Silence(2.0, waited=1.5, ran=0.5), Cause.STARVED),
    "in line for a moment, and not silent long enough beside that": (Silence(1.1, waited=0.2, same_step=0.6), None),
    "in line for a processor, and seen in one step": (Silence(1.2, waited=0.9, same_step=0.6), Cause.STARVED),
    "in line, so that the watching thread came late": (Silence(3.0, waited=2.5, process=1.0, late=2.0), Cause.STARVED),
    "in line now and then, but silent long enough beside that": (
        Silence(3.0, waited=1.0, same_step=2.0),
        Cause.BLOCKED,
    ),
}


@pytest.mark.parametrize("case", MEANINGS)
def test_what_a_silence_means(case: str) -> None:
    silence, cause = MEANINGS[case]
    assert cause_of(silence, STALL_AFTER) is cause


@pytest.mark.parametrize(
    ("silence", "is_another"),
    [
        (Silence(2.0, ran=1.9, process=1.9), False),
        (Silence(2.0, ran=1.9, process=6.0), False),
        (Silence(2.0, ran=0.1, process=1.9), True),
        (Silence(2.0, ran=0.0, process=1.9), False),
        (Silence(2.0, ran=0.1, process=0.1), False),
    ],
)
def test_a_lock_that_another_thread_has_held(silence: Silence, is_another: bool) -> None:
    assert silence.is_another_threads is is_another


def test_how_long_it_takes_depends_on_stall_after() -> None:
    silence = Silence(1.0, same_step=0.5)
    assert cause_of(silence, 1.0) is Cause.BLOCKED
    assert cause_of(silence, 1.1) is None
    assert cause_of(Silence(5.0, same_step=1.5), 5.0) is None, "one step of a third of the time, not less"


def test_repeats_are_counted_instead_of_shouted() -> None:
    assert [times for times in range(1, 1001) if is_worth_a_line(times)] == [2**power for power in range(10)]
