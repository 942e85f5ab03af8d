"""What a silent event loop means, and how often the log says it again."""

from __future__ import annotations

import pytest

from outlast.watch.incident import Cause
from outlast.watch.stall import Silence, Unseen, cause_of, is_worth_a_line

STALL_AFTER = 1.0


def unseen(seconds: float, *, late: float, waited: float = 0.0, ran: float = 0.0, cpu: float = 0.0) -> Silence:
    """Nobody could look until now."""
    return Silence(seconds, waited, unseen=Unseen(seconds, late, waited, ran, cpu))


MEANINGS: dict[str, tuple[Silence, Cause | None]] = {
    "silent for less than stall_after": (Silence(0.99, same_step=0.9), None),
    "asleep in one step": (Silence(1.0, same_step=0.4), Cause.BLOCKED),
    "computing in one step": (Silence(3.0, same_step=2.4), Cause.BLOCKED),
    "seen in one step for too short a time": (Silence(1.2, same_step=0.3), None),
    "seen in no step for long": (Silence(1.5, same_step=0.2), Cause.SATURATED),
    "in a step at last, though it was seen in others before": (Silence(2.0, same_step=0.4), Cause.BLOCKED),
    "the watching thread came late, the loop's thread ran": (unseen(2.0, late=1.4, ran=1.9), Cause.HELD),
    "the watching thread came late, another thread ran": (unseen(2.0, late=1.4, cpu=1.9), Cause.HELD),
    "the watching thread came late, no thread ran": (unseen(2.0, late=1.4, cpu=0.1), Cause.FROZEN),
    "the lock was held, and the loop's thread in line now and then": (
        unseen(5.0, late=3.0, waited=3.5, ran=1.4),
        Cause.HELD,
    ),
    "the process was stopped, a moment after its loop had beaten and computed": (
        unseen(1.2, late=0.6, ran=0.25, cpu=0.3),
        Cause.FROZEN,
    ),
    "the watching thread came a little late": (
        Silence(2.0, same_step=1.0, unseen=Unseen(0.9, late=0.3)),
        Cause.BLOCKED,
    ),
    "the watching thread came late, and has not yet seen what the loop does": (
        Silence(1.2, waited=0.2, same_step=0.1, unseen=Unseen(1.1, late=0.5, waited=0.2)),
        None,
    ),
    "the watching thread came late, and has seen one step since": (
        Silence(1.5, waited=0.2, same_step=0.4, unseen=Unseen(1.1, late=0.5, waited=0.2)),
        Cause.BLOCKED,
    ),
    "nothing ran, and then one step for a shorter time": (
        Silence(2.9, same_step=0.9, unseen=Unseen(2.0, late=1.4)),
        Cause.FROZEN,
    ),
    "nothing ran, and then one step for a longer time": (
        Silence(4.1, same_step=2.1, unseen=Unseen(2.0, late=1.4)),
        Cause.BLOCKED,
    ),
    "the watching thread came late, and then saw short steps for too short a time": (
        Silence(1.8, waited=0.4, same_step=0.1, unseen=Unseen(1.3, late=0.7, waited=0.4)),
        None,
    ),
    "the watching thread was in line and came late, and has seen one step only once": (
        Silence(2.0, waited=0.2, unseen=Unseen(2.0, late=0.2, waited=0.2)),
        None,
    ),
    "in line for a processor nearly all the time": (Silence(2.0, waited=1.5), Cause.STARVED),
    "in line for a moment, and not silent long enough beside that": (Silence(1.1, waited=0.2, same_step=0.6), None),
    "in line for a processor, and seen in one step": (Silence(1.2, waited=0.9, same_step=0.6), Cause.STARVED),
    "in line for a processor, seen in one step that had no chance to end": (
        Silence(4.0, waited=2.8, same_step=2.9),
        Cause.STARVED,
    ),
    "in line for a processor, and the rest of it seen in one step, as far as is known": (
        Silence(4.0, waited=1.5, same_step=1.8),
        None,
    ),
    "in line, so that the watching thread came late": (unseen(3.0, late=2.0, waited=2.5, cpu=1.0), Cause.STARVED),
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
    ("unseen", "is_another"),
    [
        (Unseen(2.0, ran=1.9, cpu=1.9), False),
        (Unseen(2.0, ran=1.9, cpu=6.0), False),
        (Unseen(2.0, ran=0.1, cpu=1.9), True),
        (Unseen(2.0, ran=0.0, cpu=1.9), False),
        (Unseen(2.0, ran=0.1, cpu=0.1), False),
    ],
)
def test_a_lock_that_another_thread_has_held(unseen: Unseen, is_another: bool) -> None:
    assert unseen.is_another_threads is is_another


def test_how_long_it_takes_depends_on_stall_after() -> None:
    silence = Silence(1.0, same_step=0.5)
    assert cause_of(silence, 1.0) is Cause.BLOCKED
    assert cause_of(silence, 1.1) is None
    assert cause_of(Silence(5.0, same_step=1.5), 5.0) is None, "one step of a third of the time, not less"


def test_repeats_are_counted_instead_of_shouted() -> None:
    assert [times for times in range(1, 1001) if is_worth_a_line(times)] == [2**power for power in range(10)]
