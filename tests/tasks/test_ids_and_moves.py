"""Ids, their shown form, and the table of moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.ids import LARGEST_ID, id_range, shown
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import FINISHED, MOVES, UNFINISHED, State, origins_of

numbers = st.integers(0, LARGEST_ID)


@given(numbers)
def test_a_shown_id_names_exactly_that_task(number: int) -> None:
    assert id_range(shown(number)) == (number, number)


@given(numbers, numbers)
def test_shown_ids_sort_as_ids_do(one: int, other: int) -> None:
    assert (one < other) == (shown(one) < shown(other))


@given(numbers, st.integers(1, 13))
def test_a_prefix_covers_its_id_and_nothing_else(number: int, length: int) -> None:
    prefix = shown(number)[:length]
    low, high = id_range(prefix)
    assert low <= number <= high
    assert shown(low).startswith(prefix)
    assert shown(high).startswith(prefix)
    assert high == LARGEST_ID or not shown(high + 1).startswith(prefix)


@pytest.mark.parametrize("text", ["", "u", "0" * 14, "z" * 13, "ab-c", "🐍"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a task id"):
        id_range(text)


def test_who_gives_what_a_user_was_told_hears_what_of_it_is_the_id() -> None:
    with pytest.raises(ValueError, match="users of the app are told, begins with it"):
        id_range("03abztx080101iqlykqyvzacluvu3aoy6")


def test_ids_of_a_process_rise_although_the_clock_does_not() -> None:
    ids = TaskIds()
    made = [ids.next(now) for now in (1.8e9, 1.8e9, 1.8e9 - 3600, 1.8e9)]
    assert made == sorted(set(made))


def test_ids_of_two_processes_that_count_on_from_one_id_differ() -> None:
    newest = TaskIds().next()
    one, other = TaskIds(), TaskIds()
    for ids in (one, other):
        ids.rise_above(newest)
    made = [ids.next(1.8e9 - 3600) for _ in range(100) for ids in (one, other)]
    assert len(set(made)) >= 198, "21 random bits meet once in twenty thousand runs; if they counted on, all would"
    assert min(made) > newest


def test_a_clock_that_was_wrong_by_years_is_not_followed() -> None:
    ids = TaskIds()
    ids.rise_above(TaskIds().next(3.9e9))
    assert ids.next() < TaskIds().next(3.9e9)


def test_ids_are_positive_before_the_clock_is_set() -> None:
    ids = TaskIds()
    made = [ids.next(0.0) for _ in range(100)]
    assert made == sorted(set(made))
    assert made[0] > 0


def test_processes_that_the_journal_knows_never_make_the_same_id() -> None:
    makers = [TaskIds() for _ in range(4)]
    for process, ids in enumerate(makers, start=2047):  # one of them has 2048 as its number, as 0 would be
        ids.next(1.8e9)
        ids.belong_to(process)
    made = {ids: [ids.next(1.8e9 - back) for back in range(2000)] for ids in makers}
    assert len({one for ids in made.values() for one in ids}) == 4 * 2000
    assert all(ids == sorted(ids) for ids in made.values())
    assert all(0 < one <= LARGEST_ID for ids in made.values() for one in ids)


def test_a_known_process_whose_clock_is_not_set_makes_no_id_that_is_none() -> None:
    ids = TaskIds()
    ids.belong_to(0)
    assert ids.next(0.0) > 0


def test_ids_fit_until_2095() -> None:
    assert 0 < TaskIds().next(TaskIds.BEGINNING) < TaskIds().next(3_944_678_400.0) <= LARGEST_ID


def test_a_finished_task_goes_nowhere_but_back_to_waiting() -> None:
    assert {target for state in FINISHED for target in MOVES[state]} <= {State.WAITING}
    assert set(State) == FINISHED | UNFINISHED


def test_no_task_comes_to_running_but_from_waiting_or_inline_from_held() -> None:
    assert origins_of(State.RUNNING) == (State.HELD, State.WAITING)
    assert origins_of(State.HELD) == ()
