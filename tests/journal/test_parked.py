"""What the code does not know waits; what has ended runs again, or is forgotten, when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from outlast.errors import TaskNotFound
from outlast.ids import shown
from outlast.journal.contract import Drop
from outlast.journal.read import History
from outlast.journal.turn import Known, Turn
from outlast.journal.turn import RunnersJournal as Journal
from outlast.tasks.outcome import Unknown, outcome
from outlast.tasks.task import Claimed, End, Lane, NewTask, Settlement, State
from tests.journal.test_contract import (
    add,
    again,
    enter,
    history,
    journal,
    new_task,
    record,
    release,
    url,
)
from tests.support.turns import claim, claim_apart, done, settle

__all__ = ["history", "journal", "url"]
WHY = "app:send does not exist"


def park(journal: Journal, runner: int, why: str = WHY) -> Claimed:
    """Claim a task, whose code is not known."""
    (attempt,) = claim(journal, runner, limit=1)
    settle(journal, outcome(Unknown(why), attempt, 2))
    return attempt


def fail(one: Claimed) -> Settlement:
    return Settlement(one.id, one.attempt, End.ERROR, State.FAILED, "ValueError: no")


def waiting(journal: Journal, function: str = "app:send", lane: Lane = Lane.LOOP) -> int:
    (task,) = add(journal, enter(journal, "web"), new_task(State.WAITING, lane)._replace(function=function))
    return task


def unpark(journal: Journal, before: float = 9.0) -> int:
    """Returns how many wait again."""
    parked = journal.tasks.parked()
    journal.turn(Turn(0, known=[Known(group, before) for group in parked]))
    return sum(one.count for one in parked) - sum(one.count for one in journal.tasks.parked())


def test_a_parked_task_is_not_claimed_says_why_and_has_not_ended(journal: Journal, history: History) -> None:
    runner = enter(journal, "runner")
    waiting(journal)
    attempt = park(journal, runner)
    assert claim(journal, runner) == []
    found = record(history, attempt.id)
    assert (found.state, found.reason, found.ended_at) == ("parked", WHY, None)
    assert [event.kind for event in found.events] == ["started", "parked"]
    assert journal.tasks.unfinished() == 1
    assert history.summary(9.0).parked == {"app:send": (1, WHY)}


def test_parked_tasks_are_grouped_by_function_and_reason(journal: Journal) -> None:
    runner = enter(journal, "runner")
    tasks = []
    for function, why in (("app:send", WHY), ("app:send", WHY), ("app:send", "other parameters"), ("app:bill", WHY)):
        tasks.append(waiting(journal, function))
        park(journal, runner, why)
    groups = journal.tasks.parked()
    assert (groups[0].example.function, groups[0].reason, groups[0].count) == ("app:send", WHY, 2)
    assert len(groups) == 3
    assert groups[0].example.id == tasks[0]
    assert groups[0].example.arguments == '{"to":1}'


def test_what_is_known_again_runs_with_the_next_number(journal: Journal) -> None:
    runner = enter(journal, "runner")
    waiting(journal)
    first = park(journal, runner)
    assert unpark(journal) == 1
    (second,) = claim(journal, runner)
    assert (second.id, second.attempt) == (first.id, 2)
    assert settle(journal, done(first)) == [], "a late attempt changes nothing"
    assert settle(journal, done(second)) == [second.id]
    assert journal.tasks.parked() == []


def test_what_was_parked_after_the_question_stays(journal: Journal) -> None:
    waiting(journal)
    park(journal, enter(journal, "runner"))
    assert unpark(journal, before=3.9) == 0, "it was parked at 4.0"


def test_nobody_overtakes_a_parked_task(journal: Journal, history: History) -> None:
    runner, web = enter(journal, "runner"), enter(journal, "web")
    first = new_task()
    release(journal, add(journal, web, first, new_task(follows=first.id)))
    attempt = park(journal, runner)
    assert claim(journal, runner) == []
    late = add(journal, web, new_task(State.WAITING, follows=attempt.id))
    assert claim(journal, runner) == [], "also not what is added later"
    with journal.transaction():
        assert journal.tasks.cancel([attempt.id]) == {attempt.id: True}
    assert record(history, attempt.id).state == "cancelled"
    assert late[0] in [one.id for one in claim(journal, runner)]


def test_an_end_and_a_follower_that_is_not_known_go_in_one_batch(journal: Journal, history: History) -> None:
    """The follower has begun and was parked before the end of the first is written: it stays parked."""
    runner, web = enter(journal, "runner"), enter(journal, "web")
    first = new_task()
    release(journal, add(journal, web, first, new_task(follows=first.id)))
    one, behind = claim(journal, runner, limit=1, behind=1)
    settle(journal, done(one), outcome(Unknown(WHY), behind, 2))
    assert record(history, behind.id).state == "parked"
    assert claim(journal, runner) == []


def test_a_task_that_is_to_be_cancelled_is_not_parked(journal: Journal, history: History) -> None:
    waiting(journal)
    (attempt,) = claim(journal, enter(journal, "runner"))
    with journal.transaction():
        journal.tasks.cancel([attempt.id])
    settle(journal, outcome(Unknown(WHY), attempt, 2))
    assert record(history, attempt.id).state == "cancelled"


def ended_failed(journal: Journal, runner: int) -> int:
    waiting(journal)
    (attempt,) = claim(journal, runner)
    settle(journal, fail(attempt))
    return attempt.id


def ended_done(journal: Journal, runner: int) -> int:
    waiting(journal)
    (attempt,) = claim(journal, runner)
    settle(journal, done(attempt))
    return attempt.id


def ended_cancelled(journal: Journal, runner: int) -> int:
    task = waiting(journal)
    with journal.transaction():
        journal.tasks.cancel([task])
    return task


def ended_dropped(journal: Journal, runner: int) -> int:
    (task,) = add(journal, enter(journal, "web"), new_task())
    with journal.transaction():
        journal.tasks.drop([Drop(task, "never sent")])
    return task


def is_parked(journal: Journal, runner: int) -> int:
    waiting(journal)
    return park(journal, runner).id


def crashed_twice(journal: Journal, runner: int) -> int:
    waiting(journal)
    for state in (State.WAITING, State.FAILED):
        (attempt,) = claim(journal, runner) or claim_apart(journal, runner)
        settle(journal, Settlement(attempt.id, attempt.attempt, End.CRASHED, state, "crashed", group_size=1))
    return attempt.id


AT_REST = [ended_failed, ended_done, ended_cancelled, ended_dropped, is_parked, crashed_twice]


@pytest.mark.parametrize("made", AT_REST)
def test_it_runs_again_when_somebody_asks_and_its_history_stays(
    journal: Journal,
    history: History,
    made: Callable[[Journal, int], int],
) -> None:
    runner = enter(journal, "runner")
    task = made(journal, runner)
    before = record(history, task)
    with journal.transaction():
        assert journal.tasks.retry([task]) == {task: True}
    found = record(history, task)
    assert (found.state, found.ended_at, found.reason, found.crashes) == ("waiting", None, "", 0)
    assert [event.kind for event in found.events] == [*(event.kind for event in before.events), "retried"]
    (attempt,) = claim(journal, runner) or claim_apart(journal, runner)
    assert attempt.attempt == before.attempt + 1
    assert settle(journal, done(attempt)) == [task]


@pytest.mark.parametrize("made", AT_REST)
def test_it_is_forgotten_when_somebody_asks(
    journal: Journal, history: History, made: Callable[[Journal, int], int]
) -> None:
    runner = enter(journal, "runner")
    task = made(journal, runner)
    behind = add(journal, enter(journal, "web"), new_task(State.WAITING, Lane.THREAD, follows=task))
    with journal.transaction():
        assert journal.tasks.delete([task]) == {task: True}
    with pytest.raises(TaskNotFound):
        record(history, task)
    assert [one.id for one in claim(journal, runner, Lane.THREAD)] == behind


def test_what_has_not_ended_is_neither_run_again_nor_forgotten(journal: Journal, history: History) -> None:
    runner, web = enter(journal, "runner"), enter(journal, "web")
    running = waiting(journal)
    claim(journal, runner)
    tasks = [running, waiting(journal), *add(journal, web, new_task())]
    with journal.transaction():
        assert journal.tasks.retry([*tasks, 7]) == dict.fromkeys(tasks, False)
        assert journal.tasks.delete([*tasks, 7]) == dict.fromkeys(tasks, False)
    assert [record(history, task).state for task in tasks] == ["running", "waiting", "held"]


def test_what_ran_inline_cannot_run_elsewhere(journal: Journal, history: History) -> None:
    web = enter(journal, "web")
    inline: NewTask = new_task(State.HELD, Lane.INLINE)._replace(arguments=None)
    add(journal, web, inline)
    with journal.transaction():
        journal.attempts.begin([inline.id], web)
        journal.attempts.settle([Settlement(inline.id, 1, End.ERROR, State.FAILED, "no")])
        assert journal.tasks.retry([inline.id]) == {inline.id: False}
    assert history.task(shown(inline.id)).state == "failed"


def test_a_task_that_runs_again_is_not_settled_by_the_attempt_before(journal: Journal) -> None:
    runner = enter(journal, "runner")
    waiting(journal)
    (first,) = claim(journal, runner)
    settle(journal, fail(first))
    with journal.transaction():
        journal.tasks.retry([first.id])
    claim(journal, runner)
    assert settle(journal, done(first), again(first)) == []
