"""Who may be claimed beside whom, after everything went down. Pure."""

from __future__ import annotations

from outlast.runner.quarantine import LONGEST, Quarantine, Turn
from outlast.tasks.task import Claimed, Lane


def attempt(task: int, cuts: int = 0) -> Claimed:
    return Claimed(task, 1, 0, cuts, "app:send", "{}", Lane.LOOP)


def test_without_suspects_all_others_may_be_claimed() -> None:
    quarantine = Quarantine()
    assert quarantine.turn([attempt(1)], 0.0) is Turn.OTHERS
    quarantine.returned(attempt(1, cuts=1))
    assert quarantine.turn([], 0.0) is Turn.OTHERS


def test_a_suspect_waits_for_those_before_it_but_not_for_ever() -> None:
    quarantine = Quarantine()
    quarantine.returned(attempt(1, cuts=2))
    assert quarantine.turn([attempt(2)], 1.0) is Turn.NOBODY
    assert quarantine.turn([], 2.0) is Turn.SUSPECT
    assert quarantine.turn([attempt(2)], 1.0 + LONGEST) is Turn.SUSPECT


def test_nothing_is_claimed_beside_a_suspect_until_it_has_been_harmless_for_long() -> None:
    quarantine, suspect = Quarantine(), attempt(1, cuts=2)
    quarantine.took([suspect], 1.0)
    assert quarantine.turn([suspect], 2.0) is Turn.NOBODY
    assert quarantine.turn([suspect], 1.0 + LONGEST) is Turn.OTHERS, "but no other suspect"


def test_suspects_come_one_after_another() -> None:
    quarantine, suspect = Quarantine(), attempt(1, cuts=2)
    quarantine.took([suspect], 1.0)
    assert quarantine.turn([], 2.0) is Turn.SUSPECT
    quarantine.took([], 2.0)
    assert quarantine.turn([attempt(3)], 3.0) is Turn.OTHERS
