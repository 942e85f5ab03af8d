"""What the code does not know waits; what has ended runs again, or is forgotten, when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from outlast.engines.contract import Drop, Journal
from outlast.engines.history import History
from outlast.engines.sqlite import SqliteJournal
from outlast.errors import TaskNotFound
from outlast.outcome import Unknown, outcome
from outlast.tasks import Claimed, End, Lane, NewTask, Settlement, State, shown
from tests.engines.test_contract import add, again, claim, done, enter, journal, new_task, record, release, settle

__all__ = ["journal"]
WHY = "app:send does not exist"


def park(journal: Journal, runner: int, why: str = WHY) -> Claimed:
    """Claim a task, whose code is not known."""
    (attempt,) = claim(journal, runner, limit=1)
    settle(journal, outcome(Unknown(why), attempt, 2))
    return attempt


def fail(one: Claimed) -> Settlement:
    return Settlement(one.id, one.attempt, End.ERROR, State.FAILED, "ValueError: no")


def waiting(journal: SqliteJournal, function: str = "app:send", lane: Lane = Lane.LOOP) -> int:
    (task,) = add(journal, enter(journal, "web"), replace(new_task(State.WAITING, lane), function=function))
    return task


def unpark(journal: SqliteJournal, before: float = 9.0) -> int:
    groups = journal.parked()
    with journal.transaction():
        return sum(journal.unpark(group, before, 9.0) for group in groups)


def test_a_parked_task_is_not_claimed_says_why_and_has_not_ended(journal: SqliteJournal) -> None:
    runner = enter(journal, "runner")
    waiting(journal)
    attempt = park(journal, runner)
    assert claim(journal, runner) == []
    found = record(journal, attempt.id)
    assert (found.state, found.reason, found.ended_at) == ("parked", WHY, None)
    assert [event.kind for event in found.events] == ["started", "parked"]
    assert journal.unfinished() == 1
    assert History(journal.path).summary(9.0).parked == {"app:send": (1, WHY)}


def test_parked_tasks_are_grouped_by_function_and_reason(journal: SqliteJournal) -> None:
    runner = enter(journal, "runner")
    tasks = []
    for function, why in (("app:send", WHY), ("app:send", WHY), ("app:send", "other parameters"), ("app:bill", WHY)):
        tasks.append(waiting(journal, function))
        park(journal, runner, why)
    groups = journal.parked()
    assert (groups[0].example.function, groups[0].reason, groups[0].count) == ("app:send", WHY, 2)
    assert len(groups) == 3
    assert groups[0].example.id == tasks[0]
    assert groups[0].example.arguments == '{"to":1}'


def test_what_is_known_again_runs_with_the_next_number(journal: SqliteJournal) -> None:
    runner = enter(journal, "runner")
    waiting(journal)
    first = park(journal, runner)
    assert unpark(journal) == 1
    (second,) = claim(journal, runner)
    assert (second.id, second.attempt) == (first.id, 2)
    assert settle(journal, done(first)) == [], "a late attempt changes nothing"
    assert settle(journal, done(second)) == [second.id]
    assert journal.parked() == []


def test_what_was_parked_after_the_question_stays(journal: SqliteJournal) -> None:
    waiting(journal)
    park(journal, enter(journal, "runner"))
    assert unpark(journal, before=3.9) == 0, "it was parked at 4.0"


def test_nobody_overtakes_a_parked_task(journal: SqliteJournal) -> None:
    runner, web = enter(journal, "runner"), enter(journal, "web")
    first = new_task()
    release(journal, add(journal, web, first, new_task(follows=first.id)))
    attempt = park(journal, runner)
    assert claim(journal, runner) == []
    late = add(journal, web, new_task(State.WAITING, follows=attempt.id))
    assert claim(journal, runner) == [], "also not what is added later"
    with journal.transaction():
        assert journal.cancel([attempt.id], 5.0) == {attempt.id: True}
    assert record(journal, attempt.id).state == "cancelled"
    assert late[0] in [one.id for one in claim(journal, runner)]


def test_an_end_and_a_follower_that_is_not_known_go_in_one_batch(journal: SqliteJournal) -> None:
    """The follower has begun and was parked before the end of the first is written: it stays parked."""
    runner, web = enter(journal, "runner"), enter(journal, "web")
    first = new_task()
    release(journal, add(journal, web, first, new_task(follows=first.id)))
    with journal.transaction():
        one, behind = journal.claim(runner, Lane.LOOP, 1, 3.0, behind=1)
    settle(journal, done(one), outcome(Unknown(WHY), behind, 2))
    assert record(journal, behind.id).state == "parked"
    assert claim(journal, runner) == []


def test_a_task_that_is_to_be_cancelled_is_not_parked(journal: SqliteJournal) -> None:
    waiting(journal)
    (attempt,) = claim(journal, enter(journal, "runner"))
    with journal.transaction():
        journal.cancel([attempt.id], 3.5)
    settle(journal, outcome(Unknown(WHY), attempt, 2))
    assert record(journal, attempt.id).state == "cancelled"


def ended_failed(journal: SqliteJournal, runner: int) -> int:
    waiting(journal)
    (attempt,) = claim(journal, runner)
    settle(journal, fail(attempt))
    return attempt.id


def ended_done(journal: SqliteJournal, runner: int) -> int:
    waiting(journal)
    (attempt,) = claim(journal, runner)
    settle(journal, done(attempt))
    return attempt.id


def ended_cancelled(journal: SqliteJournal, runner: int) -> int:
    task = waiting(journal)
    with journal.transaction():
        journal.cancel([task], 2.0)
    return task


def ended_dropped(journal: SqliteJournal, runner: int) -> int:
    (task,) = add(journal, enter(journal, "web"), new_task())
    with journal.transaction():
        journal.drop([Drop(task, "never sent")], 2.0)
    return task


def is_parked(journal: SqliteJournal, runner: int) -> int:
    waiting(journal)
    return park(journal, runner).id


def crashed_twice(journal: SqliteJournal, runner: int) -> int:
    waiting(journal)
    for state in (State.WAITING, State.FAILED):
        with journal.transaction():
            attempts = journal.claim(runner, Lane.LOOP, 1, 3.0) or journal.claim_company(runner, 3.0)
        (attempt,) = attempts
        settle(journal, Settlement(attempt.id, attempt.attempt, End.CRASHED, state, "crashed", company=1))
    return attempt.id


AT_REST = [ended_failed, ended_done, ended_cancelled, ended_dropped, is_parked, crashed_twice]


@pytest.mark.parametrize("made", AT_REST)
def test_it_runs_again_when_somebody_asks_and_its_history_stays(
    journal: SqliteJournal, made: Callable[[SqliteJournal, int], int]
) -> None:
    runner = enter(journal, "runner")
    task = made(journal, runner)
    before = record(journal, task)
    with journal.transaction():
        assert journal.retry([task], 5.0) == {task: True}
    found = record(journal, task)
    assert (found.state, found.ended_at, found.reason, found.crashes) == ("waiting", None, "", 0)
    assert [event.kind for event in found.events] == [*(event.kind for event in before.events), "retried"]
    with journal.transaction():
        (attempt,) = journal.claim(runner, Lane.LOOP, 1, 6.0) or journal.claim_company(runner, 6.0)
    assert attempt.attempt == before.attempt + 1
    assert settle(journal, done(attempt)) == [task]


@pytest.mark.parametrize("made", AT_REST)
def test_it_is_forgotten_when_somebody_asks(journal: SqliteJournal, made: Callable[[SqliteJournal, int], int]) -> None:
    runner = enter(journal, "runner")
    task = made(journal, runner)
    behind = add(journal, enter(journal, "web"), new_task(State.WAITING, Lane.THREAD, follows=task))
    with journal.transaction():
        assert journal.delete([task]) == {task: True}
    with pytest.raises(TaskNotFound):
        record(journal, task)
    assert [one.id for one in claim(journal, runner, Lane.THREAD)] == behind


def test_what_has_not_ended_is_neither_run_again_nor_forgotten(journal: SqliteJournal) -> None:
    runner, web = enter(journal, "runner"), enter(journal, "web")
    running = waiting(journal)
    claim(journal, runner)
    tasks = [running, waiting(journal), *add(journal, web, new_task())]
    with journal.transaction():
        assert journal.retry([*tasks, 7], 5.0) == dict.fromkeys(tasks, False)
        assert journal.delete([*tasks, 7]) == dict.fromkeys(tasks, False)
    assert [record(journal, task).state for task in tasks] == ["running", "waiting", "held"]


def test_what_ran_inline_cannot_run_elsewhere(journal: SqliteJournal) -> None:
    web = enter(journal, "web")
    inline: NewTask = replace(new_task(State.HELD, Lane.INLINE), arguments=None)
    add(journal, web, inline)
    with journal.transaction():
        journal.begin([inline.id], web, 2.0)
        journal.settle([Settlement(inline.id, 1, End.ERROR, State.FAILED, "no")], 3.0)
        assert journal.retry([inline.id], 5.0) == {inline.id: False}
    assert History(journal.path).task(shown(inline.id)).state == "failed"


def test_a_task_that_runs_again_is_not_settled_by_the_attempt_before(journal: SqliteJournal) -> None:
    runner = enter(journal, "runner")
    waiting(journal)
    (first,) = claim(journal, runner)
    settle(journal, fail(first))
    with journal.transaction():
        journal.retry([first.id], 5.0)
    claim(journal, runner)
    assert settle(journal, done(first), again(first)) == []
