"""Tasks with a time and with a priority: when they are ready, in which order they are claimed, and when they expire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from outlast.events import endings
from outlast.journal.read import History
from outlast.journal.turn import RunnersJournal, Turn
from outlast.tasks.ids import TaskIds
from outlast.tasks.options import with_options
from outlast.tasks.policy import Backoff, FailurePolicy
from outlast.tasks.task import NO_OPTIONS, Claimed, End, Lane, NewTask, Settlement, State
from tests.journal.test_contract import add, history, new_task, record, runner, url, web
from tests.support.turns import at, claim, claim_apart, done, learn, opened, settle

__all__ = ["history", "runner", "url", "web"]
NOW = 1_800_000_000.0  # seconds since the epoch
IDS = TaskIds()


@pytest.fixture
def journal(url: str) -> Iterator[RunnersJournal]:
    at(NOW)
    journal = opened(url)
    yield journal
    journal.close()
    at(1.0)


def asked(added: float = NOW, lane: Lane = Lane.LOOP, **options: Any) -> NewTask:
    """A task that was added at that time."""
    made = new_task(State.WAITING, lane)._replace(id=TaskIds().next(added), created_at=added)
    return made._replace(options=with_options(NO_OPTIONS, options))


def again(one: Claimed, delay: float, retried: int = 1) -> Settlement:
    return Settlement(one.id, one.attempt, End.ERROR, State.WAITING, "it failed", retried=retried, delay=delay)


def claimed(journal: RunnersJournal, runner: int, now: float, limit: int = 10) -> list[int]:
    return [one.id for one in claim(journal, runner, limit=limit, now=now)]


def test_a_delayed_task_is_claimed_when_its_time_comes(journal: RunnersJournal, web: int, runner: int) -> None:
    (task,) = add(journal, web, asked(delay=60))
    assert claimed(journal, runner, NOW + 59.9) == []
    assert journal.attempts.next_in() == pytest.approx(0.1)
    assert journal.turn(Turn(runner)).next_in == pytest.approx(0.1)
    assert claimed(journal, runner, NOW + 60) == [task]
    assert journal.attempts.next_in() is None


def test_what_is_delayed_is_not_due_and_then_it_is(journal: RunnersJournal, web: int) -> None:
    add(journal, web, asked(delay=60))
    assert list(journal.attempts.due()) == []
    at(NOW + 60)
    assert [lane for lane, _ in journal.attempts.due()] == [Lane.LOOP]


def test_a_held_task_keeps_its_delay_when_it_is_released(journal: RunnersJournal, web: int, runner: int) -> None:
    (task,) = add(journal, web, asked(delay=60)._replace(state=State.HELD))
    with journal.transaction():
        journal.tasks.release([task])
    assert claimed(journal, runner, NOW + 59) == []
    assert claimed(journal, runner, NOW + 60) == [task]


def test_a_follower_keeps_its_delay_when_it_is_free(journal: RunnersJournal, web: int, runner: int) -> None:
    first = asked()
    ids = add(journal, web, first, asked(delay=60)._replace(follows=first.id))
    (head,) = claim(journal, runner, behind=10, now=NOW)
    assert head.id == ids[0], "what has a time is not taken along"
    settle(journal, done(head), now=NOW + 1)
    assert claimed(journal, runner, NOW + 59) == []
    assert claimed(journal, runner, NOW + 60) == ids[1:]


def test_a_failed_attempt_waits_for_its_retry_and_holds_what_follows(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    first = asked()
    ids = add(journal, web, first, asked()._replace(follows=first.id))
    (head,) = claim(journal, runner, now=NOW)
    settle(journal, again(head, 30.0), now=NOW + 1)
    shown = record(history, ids[0])
    assert (shown.state, shown.reason, shown.run_at) == ("waiting", "it failed", NOW + 31)
    assert claimed(journal, runner, NOW + 30.9) == []
    (second,) = claim(journal, runner, now=NOW + 31)
    assert (second.id, second.attempt, second.retried) == (ids[0], 2, 1)
    assert record(history, ids[0]).run_at is None
    settle(journal, done(second), now=NOW + 32)
    assert claimed(journal, runner, NOW + 32) == ids[1:]


def test_a_retry_by_hand_waits_for_nothing_and_counts_from_the_beginning(
    journal: RunnersJournal, web: int, runner: int
) -> None:
    (task,) = add(journal, web, asked(expires=5))
    (one,) = claim(journal, runner, now=NOW)
    settle(journal, Settlement(task, 1, End.ERROR, State.FAILED, "it failed", retried=1), now=NOW + 10)
    with journal.transaction():
        assert journal.tasks.retry([task]) == {task: True}
    (one,) = claim(journal, runner, now=NOW + 11)
    assert (one.id, one.retried) == (task, 0)


def test_what_has_blocked_runs_alone_when_it_is_run_again_by_hand(
    journal: RunnersJournal, web: int, runner: int
) -> None:
    (task,) = add(journal, web, asked())
    settle(journal, *map(done, claim(journal, runner, now=NOW)), now=NOW + 10)
    learn(journal, "app:send", "code", now=NOW + 11)
    with journal.transaction():
        assert journal.tasks.retry([task]) == {task: True}
    assert claim(journal, runner, now=NOW + 12) == []
    assert [one.id for one in claim_apart(journal, runner)] == [task]


def test_what_has_blocked_and_is_tried_again_runs_alone(journal: RunnersJournal, web: int, runner: int) -> None:
    (task,) = add(journal, web, asked())
    (one,) = claim(journal, runner, now=NOW)
    learn(journal, "app:send", "code", now=NOW + 1)
    settle(journal, again(one, 0.0), now=NOW + 2)
    assert claim(journal, runner, now=NOW + 3) == []
    assert [one.id for one in claim_apart(journal, runner)] == [task]


def test_the_policy_comes_with_each_attempt(journal: RunnersJournal, web: int, runner: int) -> None:
    ids = add(journal, web, asked(retries=3, backoff=5, on_crash="fail"), asked())
    policies = {one.id: one.policy for one in claim(journal, runner, now=NOW)}
    assert [policies[one] for one in ids] == [
        FailurePolicy(3, Backoff(5.0, 1.0, 5.0, "none"), reruns=False),
        FailurePolicy(),
    ]


def test_a_policy_that_outlast_did_not_write_fails_its_task_and_no_other(
    url: str, journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    ids = add(journal, web, asked(retries=3), asked())
    connection = apsw.Connection(url.removeprefix("sqlite:///"))
    connection.execute("UPDATE task SET policy = '{' WHERE id = ?", (ids[0],))
    connection.close()
    assert claimed(journal, runner, NOW) == ids[1:]
    assert record(history, ids[0]).state == "failed"


@pytest.mark.parametrize("lane", [Lane.LOOP, Lane.THREAD])
def test_a_priority_is_where_a_task_begins_to_wait(journal: RunnersJournal, web: int, runner: int, lane: Lane) -> None:
    old, plain = asked(NOW - 400, lane), asked(NOW - 299, lane)
    low, urgent = asked(NOW - 200, lane, priority=-5), asked(NOW, lane, priority=5)
    add(journal, web, low, urgent, plain, old)
    found = [claim(journal, runner, lane, limit=1, now=NOW) for _ in range(4)]
    assert [one.id for (one,) in found] == [old.id, urgent.id, plain.id, low.id]


def test_what_is_delayed_stands_where_its_time_has_put_it(journal: RunnersJournal, web: int, runner: int) -> None:
    before, delayed, urgent = asked(NOW - 1), asked(NOW, delay=60), asked(NOW, delay=60, priority=1)
    between, after = asked(NOW + 30), asked(NOW + 61)
    add(journal, web, delayed, urgent, before, between, after)
    found = [claimed(journal, runner, NOW + 62, limit=1) for _ in range(5)]
    assert [one for (one,) in found] == [before.id, urgent.id, between.id, delayed.id, after.id]


def test_what_is_tried_again_and_again_stands_where_its_last_time_has_put_it(
    journal: RunnersJournal, web: int, runner: int
) -> None:
    tried, urgent = asked(NOW), asked(NOW, priority=1)
    add(journal, web, tried, urgent)
    for now in (NOW, NOW + 300, NOW + 600):
        both = claim(journal, runner, now=now)
        settle(journal, *(again(one, 300.0) for one in both), now=now)
        assert len(both) == 2
    at(NOW + 1000)
    between, after = asked(NOW + 850), asked(NOW + 901)
    add(journal, web, between, after)
    found = [claimed(journal, runner, NOW + 1000, limit=1) for _ in range(4)]
    assert [one for (one,) in found] == [urgent.id, between.id, tried.id, after.id]


def test_what_has_not_begun_in_time_is_dropped_and_lets_its_followers_begin(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    late = asked(expires=10)
    ids = add(journal, web, late, asked()._replace(follows=late.id))
    assert journal.attempts.next_in() == pytest.approx(10)
    at(NOW + 10)
    journal.turn(Turn(runner))
    shown = record(history, late.id)
    assert (shown.state, shown.reason) == ("dropped", endings.EXPIRED)
    assert [one.kind for one in shown.events] == ["dropped"]
    assert claimed(journal, runner, NOW + 11) == ids[1:]


def test_what_has_begun_in_time_does_not_expire(journal: RunnersJournal, web: int, runner: int) -> None:
    (task,) = add(journal, web, asked(expires=10))
    (one,) = claim(journal, runner, now=NOW + 9)
    settle(journal, again(one, 60.0), now=NOW + 20)
    assert journal.attempts.next_in() == pytest.approx(60)
    assert claimed(journal, runner, NOW + 80) == [task]


def test_thousands_whose_time_comes_at_once_are_put_in_line_in_slices(
    journal: RunnersJournal, web: int, runner: int
) -> None:
    made = [asked(delay=60)._replace(id=IDS.next(NOW)) for _ in range(2500)]
    with journal.transaction():
        journal.tasks.add(made, web)
    at(NOW + 60)
    assert [journal.turn(Turn(runner)).next_in for _ in range(3)] == [0.0, 0.0, None]
    assert claimed(journal, runner, NOW + 60, limit=3000) == [one.id for one in made]
