"""Who is next, of what a runner has claimed."""

from __future__ import annotations

import time

from outlast.runner.queue import MOST_BEHIND, Queue
from outlast.tasks.task import Claimed, Lane


def line(*numbers: int, lane: Lane = Lane.LOOP) -> list[Claimed]:
    """Attempts that were claimed at once, each behind the one before."""
    before = (None, *numbers)
    pairs = zip(numbers, before, strict=False)
    return [
        Claimed(one, 1, 0, 0, f"app:f{one}", "{}", lane, follows=other, begun=other is None) for one, other in pairs
    ]


def ids(attempts: list[Claimed]) -> list[int]:
    return [one.id for one in attempts]


def queue_of(*numbers: int) -> Queue:
    """One whose first is out."""
    queue = Queue()
    assert queue.line_up(line(*numbers)) == []
    assert ids(queue.take_ready()) == [numbers[0]]
    return queue


def test_each_has_its_turn_when_the_one_before_has_ended() -> None:
    queue = queue_of(1, 2, 3)
    assert queue.take_ready() == []
    queue.move_up(1)
    assert ids(queue.take_ready()) == [2]
    queue.move_up(2)
    assert ids(queue.take_ready()) == [3]
    assert not queue.is_moving(time.monotonic())
    assert queue.room == MOST_BEHIND


def test_a_line_moves_as_long_as_its_tasks_are_short() -> None:
    queue = queue_of(1, 2)
    assert queue.is_moving(time.monotonic())
    assert not queue.is_moving(time.monotonic() + 1.0)


def test_whose_turn_it_is_follows_nobody() -> None:
    queue = queue_of(1, 2)
    queue.move_up(1)
    assert [(one.id, one.follows, one.begun) for one in queue.ready] == [(2, None, False)]


def test_whoever_waits_for_one_that_runs_again_is_taken_in_order() -> None:
    queue = queue_of(1, 2, 3, 4)
    queue.line_up(line(11, 12))
    assert ids(queue.take_all_behind(1)) == [2, 3, 4]
    assert ids(queue.all) == [11, 12], "others stay"


def test_the_turn_of_one_whose_predecessor_is_not_known_is_not_known() -> None:
    queue = Queue()
    assert ids(queue.line_up(line(1, 2, 3)[1:])) == [2]
    assert ids(queue.all) == [3], "behind the one that its taker settles"


def test_who_is_behind_those_that_are_taken_out_moves_up_behind_the_one_before() -> None:
    queue = queue_of(1, 2, 3, 4, 5)
    assert ids(queue.take_out([3, 2])) in ([2, 3], [3, 2])
    queue.move_up(1)
    assert ids(queue.take_ready()) == [4]
    queue.move_up(4)
    assert ids(queue.take_ready()) == [5]


def test_those_of_one_kind_are_taken_with_all_that_is_behind_them() -> None:
    queue = queue_of(1, 2, 3, 4)
    assert ids(queue.take_behind(lambda one: one.function == "app:f3")) == [3, 4]
    assert ids(queue.all) == [2]
    assert ids(queue.take_behind()) == [2]
