"""Tasks with a key: one that is unfinished per function and key, whoever adds it, and nobody's work is lost by that."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from outlast.errors import TaskRefused
from outlast.journal.contract import Drop
from outlast.journal.read import History
from outlast.journal.turn import Burial, Retention, RunnersJournal, Turn
from outlast.tasks.options import with_options
from outlast.tasks.task import NO_OPTIONS, End, Lane, NewTask, Settlement, State
from tests.journal.test_contract import add, enter, history, new_task, record, runner, url, web
from tests.support.turns import at, claim, done, opened, prune, settle

__all__ = ["history", "runner", "url", "web"]
NOW = 1_800_000_000.0  # seconds since the epoch
ONCE: dict[str, Any] = {"key": "invoice-42"}


@pytest.fixture
def journal(url: str) -> Iterator[RunnersJournal]:
    at(NOW)
    journal = opened(url)
    yield journal
    journal.close()


@pytest.fixture
def other(journal: RunnersJournal) -> int:
    """Another web worker."""
    return enter(journal, "web")


def asked(state: State = State.WAITING, follows: int | None = None, **options: Any) -> NewTask:
    return new_task(state, follows=follows)._replace(options=with_options(NO_OPTIONS, options), created_at=NOW)


def joined(journal: RunnersJournal, owner: int, *tasks: NewTask) -> Mapping[int, int]:
    with journal.transaction():
        return journal.tasks.add(tasks, owner)


def let_go(journal: RunnersJournal, *tasks: NewTask) -> None:
    with journal.transaction():
        journal.tasks.release([task.id for task in tasks])


def drop(journal: RunnersJournal, *tasks: NewTask) -> list[int]:
    with journal.transaction():
        return journal.tasks.drop([Drop(task.id, "its request failed") for task in tasks])


def run(journal: RunnersJournal, runner: int, now: float = NOW) -> list[int]:
    """Run all that is ready."""
    ready = claim(journal, runner, now=now)
    settle(journal, *map(done, ready), now=now)
    return [one.id for one in ready]


def states(history: History, *tasks: NewTask) -> list[str]:
    return [record(history, task.id).state for task in tasks]


def test_a_second_one_joins_the_first_until_that_has_ended(journal: RunnersJournal, web: int, runner: int) -> None:
    first, second, third, fourth = (asked(**ONCE) for _ in range(4))
    assert joined(journal, web, first) == {}
    assert joined(journal, web, second) == {second.id: first.id}
    (attempt,) = claim(journal, runner, now=NOW)
    assert joined(journal, web, third) == {third.id: first.id}, "it runs"
    settle(journal, done(attempt), now=NOW)
    assert joined(journal, web, fourth) == {}
    assert journal.tasks.unknown([second.id, third.id]) == {second.id, third.id}


def test_one_that_was_cancelled_and_still_stops_is_joined_by_nobody(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    first, before, again, third = asked(**ONCE), asked(), asked(State.HELD, **ONCE), asked(**ONCE)
    again = again._replace(follows=before.id)
    assert joined(journal, web, first) == {}
    claim(journal, runner, now=NOW)
    with journal.transaction():
        assert journal.tasks.cancel([first.id]) == {first.id: True}
    assert joined(journal, web, before, again) == {}
    assert joined(journal, web, third) == {third.id: again.id}
    (one,) = claim(journal, runner, now=NOW, behind=5)
    assert one.id == before.id
    settle(journal, done(one), now=NOW)
    assert claim(journal, runner, now=NOW, behind=5) == []
    settle(journal, Settlement(first.id, 1, End.CANCELLED, State.CANCELLED, "cancelled"), now=NOW)
    assert [one.id for one in claim(journal, runner, now=NOW)] == [again.id]


def test_within_its_period_one_that_was_cancelled_is_the_one(journal: RunnersJournal, web: int, runner: int) -> None:
    first, again = asked(**ONCE, key_for=60), asked(**ONCE, key_for=60)
    assert joined(journal, web, first) == {}
    claim(journal, runner, now=NOW)
    with journal.transaction():
        journal.tasks.cancel([first.id])
    assert joined(journal, web, again) == {again.id: first.id}


def test_in_one_batch_the_first_has_the_key(journal: RunnersJournal, web: int, runner: int) -> None:
    tasks = [asked(**ONCE) for _ in range(3)]
    assert joined(journal, web, *tasks) == {one.id: tasks[0].id for one in tasks[1:]}
    assert run(journal, runner) == [tasks[0].id]


def test_a_key_is_one_of_its_function(journal: RunnersJournal, web: int) -> None:
    mine = asked(**ONCE)
    assert joined(journal, web, mine, asked(**ONCE)._replace(function="app:other"), asked(key="invoice-43")) == {}


def test_a_parked_or_a_failed_one_counts_as_what_it_is(journal: RunnersJournal, web: int, runner: int) -> None:
    first, second, third = (asked(**ONCE) for _ in range(3))
    add(journal, web, first)
    (attempt,) = claim(journal, runner, now=NOW)
    settle(journal, done(attempt)._replace(state=State.PARKED), now=NOW)
    assert joined(journal, web, second) == {second.id: first.id}
    with journal.transaction():
        journal.tasks.cancel([first.id])
    assert joined(journal, web, third) == {}


def test_a_period_counts_from_the_first_also_when_that_has_ended(
    journal: RunnersJournal, web: int, runner: int
) -> None:
    first, second, third = (asked(**ONCE, key_for=60) for _ in range(3))
    add(journal, web, first)
    assert run(journal, runner) == [first.id]
    at(NOW + 59)
    assert joined(journal, web, second) == {second.id: first.id}
    at(NOW + 61)
    assert joined(journal, web, third) == {}


def test_a_period_outlasts_the_row_of_its_task(journal: RunnersJournal, url: str, web: int, runner: int) -> None:
    first, second, third = (asked(**ONCE, key_for=600) for _ in range(3))
    plain = asked(key="other")
    add(journal, web, first, plain)
    assert run(journal, runner) == [first.id, plain.id]
    assert prune(url, Retention(10.0, 10, 10.0), NOW + 100) == 2
    assert journal.tasks.unknown([first.id, plain.id]) == {first.id, plain.id}
    at(NOW + 599)
    assert joined(journal, web, second) == {second.id: first.id}
    prune(url, Retention(10.0, 10, 10.0), NOW + 601)
    assert rows_of_keys(journal) == 0
    assert joined(journal, web, third) == {}


def rows_of_keys(journal: RunnersJournal) -> int:
    count: Any = journal.connection.read("SELECT count(*) FROM key")  # type: ignore[attr-defined]
    return int(count[0][0])


def test_what_was_dropped_has_no_period(journal: RunnersJournal, web: int) -> None:
    first, second = asked(State.HELD, **ONCE, key_for=60), asked(**ONCE, key_for=60)
    add(journal, web, first)
    assert drop(journal, first) == [first.id]
    assert joined(journal, web, second) == {}


def test_it_runs_when_either_response_is_over(
    journal: RunnersJournal, history: History, web: int, other: int, runner: int
) -> None:
    first, second = asked(State.HELD, **ONCE), asked(State.HELD, **ONCE)
    add(journal, web, first)
    assert joined(journal, other, second) == {second.id: first.id}
    let_go(journal, second)
    assert states(history, first) == ["waiting"]
    assert drop(journal, first) == [], "somebody else was told that it will run"
    assert run(journal, runner) == [first.id]


@pytest.mark.parametrize("together", [True, False])
def test_who_waits_for_no_response_lets_it_run_at_once(
    journal: RunnersJournal, web: int, other: int, runner: int, *, together: bool
) -> None:
    first, second = asked(State.HELD, **ONCE), asked(State.WAITING, **ONCE)
    for tasks in [(first, second)] if together else [(first,), (second,)]:
        joined(journal, other, *tasks)
    assert drop(journal, first) == []
    assert run(journal, runner) == [first.id]


def test_it_is_kept_for_those_who_joined_when_its_own_response_fails(
    journal: RunnersJournal, history: History, web: int, other: int, runner: int
) -> None:
    first, second, third = (asked(State.HELD, **ONCE) for _ in range(3))
    add(journal, web, first)
    joined(journal, other, second, third)
    assert drop(journal, first) == []
    assert states(history, first) == ["held"]
    assert drop(journal, second) == []
    let_go(journal, third)
    assert run(journal, runner) == [first.id]


@pytest.mark.parametrize("together", [True, False])
def test_it_is_dropped_with_the_last_who_wanted_it(
    journal: RunnersJournal,
    history: History,
    web: int,
    other: int,
    together: bool,
) -> None:
    first, second = asked(State.HELD, **ONCE), asked(State.HELD, **ONCE)
    add(journal, web, first)
    joined(journal, other, second)
    dropped = drop(journal, first, second) if together else [*drop(journal, first), *drop(journal, second)]
    assert dropped == [first.id]
    assert (record(history, first.id).state, record(history, first.id).reason) == ("dropped", "its request failed")
    assert joined(journal, web, asked(**ONCE)) == {}


def test_whoever_dies_with_an_open_response_wanted_it(
    journal: RunnersJournal, history: History, web: int, other: int
) -> None:
    first, second = asked(State.HELD, **ONCE), asked(State.HELD, **ONCE)
    add(journal, web, first)
    joined(journal, other, second)
    assert drop(journal, first) == []
    journal.turn(Turn(0, burials=[Burial(web, "never", "cut")]))
    assert states(history, first) == ["held"], "that one had given it up"
    journal.turn(Turn(0, burials=[Burial(other, "never", "cut")]))
    assert states(history, first) == ["waiting"]


def line(journal: RunnersJournal, web: int, *, batches: bool) -> tuple[NewTask, list[NewTask]]:
    """The task that has the key, and the line of another response: before, one that joins it, and two behind."""
    first = asked(**ONCE)
    add(journal, web, first)
    before = asked()
    joins = asked(follows=before.id, **ONCE)
    after = asked(follows=joins.id)
    last = asked(follows=after.id)
    tasks = [before, joins, after, last]
    for batch in [[one] for one in tasks] if batches else [tasks]:
        joined(journal, web, *batch)
    return first, tasks


@pytest.mark.parametrize("batches", [False, True])
@pytest.mark.parametrize("first_ends_first", [False, True])
def test_what_is_behind_waits_for_the_joined_one_and_for_what_was_before(
    journal: RunnersJournal, web: int, runner: int, *, batches: bool, first_ends_first: bool
) -> None:
    first, (before, _, after, last) = line(journal, web, batches=batches)
    ready = claim(journal, runner, behind=10, now=NOW)
    assert [one.id for one in ready] == [first.id, before.id]
    one, two = ready if first_ends_first else reversed(ready)
    settle(journal, done(one), now=NOW)
    assert claim(journal, runner, behind=10, now=NOW) == []
    settle(journal, done(two), now=NOW)
    assert run(journal, runner) == [after.id]
    assert run(journal, runner) == [last.id]


@pytest.mark.parametrize("ended", [False, True])
def test_what_joined_at_the_head_of_a_line_is_waited_for(
    journal: RunnersJournal, web: int, runner: int, *, ended: bool
) -> None:
    first, joins = asked(**ONCE, key_for=60), asked(**ONCE)
    add(journal, web, first)
    if ended:
        run(journal, runner)
    after = asked(follows=joins.id)
    assert joined(journal, web, joins, after) == {joins.id: first.id}
    ready = [one.id for one in claim(journal, runner, behind=10, now=NOW)]
    assert ready == ([after.id] if ended else [first.id])


def test_by_hand_none_runs_again_while_another_one_has_its_key(journal: RunnersJournal, web: int, runner: int) -> None:
    old, older, new = (asked(**ONCE) for _ in range(3))
    for one in (older, old):
        add(journal, web, one)
        assert run(journal, runner) == [one.id]
    add(journal, web, new)
    with journal.transaction():
        assert journal.tasks.retry([old.id, older.id, new.id, 7]) == {old.id: False, older.id: False, new.id: False}
    assert run(journal, runner) == [new.id]
    with journal.transaction():
        assert sorted(journal.tasks.retry([old.id, older.id]).values()) == [False, True]
    assert len(joined(journal, web, asked(**ONCE))) == 1, "one of them has the key again"


def test_what_is_deleted_has_no_key(journal: RunnersJournal, web: int, runner: int) -> None:
    first, second = asked(**ONCE, key_for=60), asked(**ONCE)
    add(journal, web, first)
    run(journal, runner)
    with journal.transaction():
        assert journal.tasks.delete([first.id]) == {first.id: True}
    assert joined(journal, web, second) == {}


def test_nothing_of_keys_is_left_when_their_tasks_are_forgotten(
    journal: RunnersJournal, url: str, web: int, runner: int
) -> None:
    line(journal, web, batches=False)
    while run(journal, runner):
        pass
    assert prune(url, Retention(10.0, 10, 10.0), NOW + 100) == 4
    for table in ("key", "joined", "behind"):
        assert journal.connection.read(f"SELECT * FROM {table}") == [], table  # type: ignore[attr-defined]  # noqa: S608


def test_people_find_tasks_by_their_key(journal: RunnersJournal, history: History, web: int, runner: int) -> None:
    first, second = asked(**ONCE), asked(**ONCE)
    add(journal, web, first, asked(key="other"), asked())
    run(journal, runner)
    add(journal, web, second)
    assert [one.state for one in history.tasks(key="invoice-42")] == ["waiting", "done"]
    assert record(history, first.id).key == "invoice-42"
    assert {one.key for one in history.tasks()} == {"invoice-42", "other", ""}


def test_a_key_that_cannot_be_stored_is_refused_alone(journal: RunnersJournal, web: int) -> None:
    odd = asked()._replace(options=replace(NO_OPTIONS, key="a\0b"))
    with pytest.raises(TaskRefused):
        joined(journal, web, odd)
    assert joined(journal, web, asked(**ONCE)) == {}


def test_of_many_who_add_it_at_once_one_is_first(journal: RunnersJournal, url: str, web: int, history: History) -> None:
    answers: list[Mapping[int, int]] = []
    gate = threading.Barrier(4)

    def add_some() -> None:
        with closing(opened(url)) as mine:
            mine.open()
            gate.wait()
            for number in range(50):
                answers.append(joined(mine, web, asked(key=f"of {number}", state=State.HELD)))

    threads = [threading.Thread(target=add_some) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (answers.count({}), len(answers)) == (50, 200)
    stored = history.tasks(limit=1000)
    assert len(stored) == len({one.key for one in stored}) == 50


def test_a_key_of_an_alone_function_is_one_too(journal: RunnersJournal, web: int) -> None:
    first, second = (asked(isolate=True, **ONCE)._replace(lane=Lane.THREAD) for _ in range(2))
    assert joined(journal, web, first) == {}
    assert joined(journal, web, second) == {second.id: first.id}
