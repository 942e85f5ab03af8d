"""Tasks that are limited: how many of a queue, a function or a key run at once and how often, and who takes turns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from outlast.errors import QueueFull
from outlast.journal.read import History
from outlast.journal.turn import Retention, RunnersJournal, Turn, Wanted
from outlast.system.deployment import NO_HOME
from outlast.tasks.ids import TaskIds
from outlast.tasks.limits import Limit, with_key
from outlast.tasks.options import with_options
from outlast.tasks.sequel import Gets
from outlast.tasks.task import NO_OPTIONS, Claimed, End, Lane, NewTask, Sequel, Settlement, State
from tests.journal.test_contract import add, history, new_task, record, runner, url, web
from tests.support.turns import at, claim, claim_apart, done, opened, prune, settle

__all__ = ["history", "runner", "url", "web"]
NOW = 1_800_000_000.0  # seconds since the epoch


@pytest.fixture
def journal(url: str) -> Iterator[RunnersJournal]:
    at(NOW)
    journal = opened(url)
    yield journal
    journal.close()
    at(1.0)


IDS = TaskIds()


def asked(arguments: str = "{}", lane: Lane = Lane.LOOP, function: str = "app:send", **options: Any) -> NewTask:
    wanted = with_options(NO_OPTIONS, options)
    limits = with_key(wanted.limits, arguments)
    made = new_task(State.WAITING, lane)._replace(id=IDS.next(NOW), created_at=NOW, function=function)
    return made._replace(arguments=arguments, options=replace(wanted, limits=limits))


def of_tenant(tenant: str, **options: Any) -> NewTask:
    return asked(f'{{"tenant":"{tenant}"}}', limit_by="tenant", **options)


def limit(journal: RunnersJournal, **queues: Limit) -> None:
    journal.turn(Turn(0, queues=queues))


def failed(one: Claimed, delay: float = 0.0) -> Settlement:
    return Settlement(one.id, one.attempt, End.ERROR, State.WAITING, "it failed", retried=1, delay=delay)


def cut(one: Claimed, cuts: int = 0) -> Settlement:
    return Settlement(one.id, one.attempt, End.INTERRUPTED, State.WAITING, "it was cut", cuts=cuts)


def claimed(journal: RunnersJournal, runner: int, now: float = NOW, limit: int = 10) -> list[Claimed]:
    return claim(journal, runner, limit=limit, now=now)


def ids(found: list[Claimed]) -> list[int]:
    return sorted(one.id for one in found)


def test_no_more_of_a_function_run_at_once_than_it_says(journal: RunnersJournal, web: int, runner: int) -> None:
    tasks = add(journal, web, *(asked(concurrency=2) for _ in range(5)))
    first = claimed(journal, runner)
    assert ids(first) == tasks[:2]
    assert claimed(journal, runner) == []
    settle(journal, done(first[0]), now=NOW)
    assert ids(claimed(journal, runner)) == tasks[2:3]
    assert claimed(journal, runner) == []


def test_an_attempt_says_its_queue_to_whoever_claims_it_or_takes_it_over(
    journal: RunnersJournal, web: int, runner: int
) -> None:
    add(journal, web, asked(queue="mail"), asked(queue="mail", concurrency=1), asked())
    add(journal, web, asked(function="app:other", concurrency=1))
    add(journal, web, asked(queue="mail", isolate=True), asked(isolate=True))
    assert [one.queue for one in claimed(journal, runner)] == ["mail", "mail", "", ""]
    assert [one.queue for one in claim_apart(journal, runner)] == ["mail"]
    assert [one.queue for one in claim_apart(journal, runner)] == [""]
    assert Counter(one.queue for one in journal.attempts.running_of(runner)) == {"mail": 3, "": 3}


def test_others_are_not_kept_by_it(journal: RunnersJournal, web: int, runner: int) -> None:
    tasks = add(journal, web, asked(concurrency=1), asked(concurrency=1), asked(function="app:other"), asked())
    assert ids(claimed(journal, runner)) == [tasks[0], *tasks[2:]]


def test_a_queue_has_the_limits_of_its_setting_whenever_its_tasks_were_added(
    journal: RunnersJournal, web: int, runner: int
) -> None:
    tasks = add(journal, web, *(asked(queue="mail", function=f"app:{name}") for name in "abcd"), asked(queue="other"))
    limit(journal, mail=Limit(1))
    first = claimed(journal, runner)
    assert ids(first) == [tasks[0], tasks[4]]
    limit(journal, mail=Limit(3))
    assert ids(claimed(journal, runner)) == tasks[1:3]
    limit(journal)
    assert ids(claimed(journal, runner)) == tasks[3:4]


def test_several_limits_hold_together(journal: RunnersJournal, web: int, runner: int) -> None:
    limit(journal, mail=Limit(3))
    wanted = [of_tenant(name, queue="mail", concurrency=2) for name in ("a", "a", "a", "b", "b", "b")]
    add(journal, web, *wanted)
    found = claimed(journal, runner)
    assert sorted(Counter(one.arguments for one in found).values()) == [1, 2]
    assert claimed(journal, runner) == []


@pytest.mark.parametrize("end", [failed, cut])
def test_who_waits_again_gives_its_place_to_none_that_would_be_too_many(
    journal: RunnersJournal, web: int, runner: int, end: Any
) -> None:
    tasks = add(journal, web, *(asked(concurrency=2) for _ in range(4)))
    first = claimed(journal, runner)
    settle(journal, end(first[0]), now=NOW)
    again = claimed(journal, runner)
    assert ids(again) == tasks[:1], "it was first"
    assert claimed(journal, runner) == []


def test_who_waits_for_a_retry_takes_no_place_meanwhile(journal: RunnersJournal, web: int, runner: int) -> None:
    tasks = add(journal, web, *(asked(concurrency=1) for _ in range(3)))
    (first,) = claimed(journal, runner)
    settle(journal, failed(first, 10.0), now=NOW)
    (second,) = claimed(journal, runner, NOW + 1)
    assert second.id == tasks[1]
    assert claimed(journal, runner, NOW + 11) == []
    settle(journal, done(second), now=NOW + 12)
    assert ids(claimed(journal, runner, NOW + 12)) == tasks[2:], "it is in line from its time on"


def test_a_rate_lets_one_begin_after_the_other(journal: RunnersJournal, web: int, runner: int) -> None:
    tasks = add(journal, web, *(asked(rate="1/s") for _ in range(3)))
    (first,) = claimed(journal, runner)
    settle(journal, done(first), now=NOW + 0.1)
    assert claimed(journal, runner, NOW + 0.5) == []
    assert journal.turn(Turn(runner)).next_in == pytest.approx(0.4, abs=0.11)
    assert journal.attempts.next_in() == pytest.approx(0.4, abs=0.11)
    assert list(journal.attempts.due()) == []
    at(NOW + 1)
    assert [lane for lane, _ in journal.attempts.due()] == [Lane.LOOP]
    assert ids(claimed(journal, runner, NOW + 1)) == tasks[1:2]
    assert ids(claimed(journal, runner, NOW + 2)) == tasks[2:]


def test_a_rate_is_kept_on_average_by_a_runner_that_is_late(journal: RunnersJournal, web: int, runner: int) -> None:
    add(journal, web, *(asked(rate="50/s") for _ in range(300)))
    begun = [len(claimed(journal, runner, NOW + turn * 0.033, limit=100)) for turn in range(121)]
    assert sum(begun) == pytest.approx(50 * 120 * 0.033, rel=0.05)
    assert max(begun[1:]) <= 3


def test_nothing_is_made_up_for_after_an_idle_time(journal: RunnersJournal, web: int, runner: int) -> None:
    add(journal, web, *(asked(rate="10/s") for _ in range(50)))
    assert len(claimed(journal, runner, NOW, limit=50)) <= 2
    assert len(claimed(journal, runner, NOW + 3600, limit=50)) <= 2


def test_a_clock_that_is_set_back_stops_nobody(journal: RunnersJournal, web: int, runner: int) -> None:
    tasks = add(journal, web, *(asked(rate="1/s") for _ in range(3)))
    claimed(journal, runner, NOW)
    assert ids(claimed(journal, runner, NOW - 86_400)) == tasks[1:2]
    assert ids(claimed(journal, runner, NOW - 86_399.5)) == []
    assert ids(claimed(journal, runner, NOW - 86_398)) == tasks[2:]


def test_each_attempt_counts_for_the_rate(journal: RunnersJournal, web: int, runner: int) -> None:
    tasks = add(journal, web, asked(rate="1/s", retries=3), asked(rate="1/s"))
    (first,) = claimed(journal, runner)
    settle(journal, failed(first), now=NOW + 0.1)
    assert claimed(journal, runner, NOW + 0.2) == []
    assert ids(claimed(journal, runner, NOW + 1)) == tasks[:1]
    assert claimed(journal, runner, NOW + 1.1) == []


def test_keys_take_turns_however_many_tasks_one_has(journal: RunnersJournal, web: int, runner: int) -> None:
    add(journal, web, *(of_tenant("large") for _ in range(100)), *(of_tenant("small") for _ in range(5)))
    order = [one.arguments for _ in range(12) for one in claimed(journal, runner, limit=1)]
    assert sum("small" in one for one in order[:10]) == 5
    assert all("large" in one for one in order[10:])
    assert "small" in order[1]


def test_the_limits_of_a_function_are_those_of_each_key(journal: RunnersJournal, web: int, runner: int) -> None:
    wanted = [of_tenant(name, concurrency=2) for name in ("a", "b") for _ in range(5)]
    add(journal, web, *wanted)
    found = claimed(journal, runner)
    assert sorted(Counter(one.arguments for one in found).values()) == [2, 2]


def test_very_many_keys_all_get_their_turn(journal: RunnersJournal, web: int, runner: int) -> None:
    tasks = add(journal, web, *(of_tenant(f"t{number}", concurrency=1) for number in range(1200) for _ in range(2)))
    begun: set[str] = set()
    for _ in range(40):
        found = claimed(journal, runner, limit=40)
        begun |= {one.arguments for one in found}
        settle(journal, *map(done, found), now=NOW)
    assert len(begun) == 1200
    assert len(tasks) == 2400


def test_a_limit_holds_over_the_pools_and_lanes_that_share_it(journal: RunnersJournal, web: int, runner: int) -> None:
    limit(journal, mail=Limit(3))
    lanes = (Lane.LOOP, Lane.THREAD)
    add(journal, web, *(asked(queue="mail", lane=lane) for lane in lanes for _ in range(5)))
    wanted = Wanted([(lane, NO_HOME) for lane in lanes], dict.fromkeys(lanes, 10))
    (taken,) = journal.turn(Turn(runner, wanted=[wanted])).taken
    assert len(taken.attempts) == 3


def test_what_runs_alone_is_limited_too(journal: RunnersJournal, web: int, runner: int) -> None:
    tasks = add(journal, web, *(asked(concurrency=1, isolate=True) for _ in range(2)))
    (first,) = claim_apart(journal, runner)
    assert first.id == tasks[0]
    assert claim_apart(journal, runner) == []
    assert list(journal.attempts.due()) == [], "no process is started for it"
    settle(journal, done(first), now=NOW)
    assert [lane for lane, _ in journal.attempts.due()] == [Lane.ALONE]
    assert [one.id for one in claim_apart(journal, runner)] == tasks[1:]


def test_a_suspect_keeps_its_place_and_comes_through(journal: RunnersJournal, web: int, runner: int) -> None:
    add(journal, web, *(asked(concurrency=1) for _ in range(2)))
    (first,) = claimed(journal, runner)
    settle(journal, cut(first, cuts=2)._replace(group_size=1), now=NOW)
    assert claimed(journal, runner) == [], "its place is taken"
    assert journal.attempts.has_suspect()
    assert [one.id for one in claim_apart(journal, runner, suspects=True)] == [first.id]
    assert claimed(journal, runner) == []


def test_what_is_held_delayed_or_behind_another_is_limited_when_its_time_comes(
    journal: RunnersJournal, web: int, runner: int
) -> None:
    first = asked(function="app:other")
    held, later = asked(concurrency=1)._replace(state=State.HELD), asked(concurrency=1, delay=5)
    behind = asked(concurrency=1)._replace(follows=first.id)
    add(journal, web, first, held, later, behind)
    (head,) = claim(journal, runner, behind=10, now=NOW)
    assert head.id == first.id, "what is limited is not taken along"
    with journal.transaction():
        journal.tasks.release([held.id])
    settle(journal, done(head), now=NOW)
    order = []
    for _ in range(3):
        found = claimed(journal, runner, NOW + 10)
        assert len(found) == 1
        order += found
        settle(journal, done(found[0]), now=NOW + 10)
    assert {one.id for one in order} == {held.id, later.id, behind.id}


def test_what_runs_after_a_task_is_limited_when_it_may_begin(journal: RunnersJournal, web: int, runner: int) -> None:
    first, behind, other = asked(function="app:other"), asked(concurrency=1), asked(concurrency=1)
    whole = first._replace(sequels=(Sequel(behind, (first.id,), Gets.RESULT, ("it",)),))
    add(journal, web, whole, other)
    assert ids(claimed(journal, runner)) == [first.id, other.id]
    (head,) = [one for one in running(journal, runner) if one.id == first.id]
    settle(journal, done(head), now=NOW)
    assert claimed(journal, runner) == []
    (one,) = running(journal, runner)
    settle(journal, done(one), now=NOW)
    assert ids(claimed(journal, runner)) == [behind.id]


def running(journal: RunnersJournal, runner: int) -> list[Claimed]:
    return list(journal.attempts.running_of(runner))


def test_what_runs_again_by_hand_is_limited(journal: RunnersJournal, web: int, runner: int) -> None:
    tasks = add(journal, web, *(asked(concurrency=1) for _ in range(2)))
    for _ in range(2):
        settle(journal, *map(done, claimed(journal, runner)), now=NOW)
    with journal.transaction():
        journal.tasks.retry(tasks)
    assert len(claimed(journal, runner)) == 1


def test_what_was_cancelled_takes_no_place(journal: RunnersJournal, web: int, runner: int) -> None:
    tasks = add(journal, web, *(asked(concurrency=1) for _ in range(3)))
    (first,) = claimed(journal, runner)
    with journal.transaction():
        journal.tasks.cancel(tasks[1:2])
    settle(journal, done(first), now=NOW)
    assert ids(claimed(journal, runner)) == tasks[2:]


def test_priority_holds_among_those_of_one_line(journal: RunnersJournal, web: int, runner: int) -> None:
    tasks = add(journal, web, asked(concurrency=1), asked(concurrency=1, priority=5))
    assert ids(claimed(journal, runner)) == tasks[1:]


def test_who_gets_no_room_stays_behind_its_gate(journal: RunnersJournal, web: int, runner: int) -> None:
    """Others are before it; it has neither its turn nor its time lost by that."""
    plain = [asked(function="app:other") for _ in range(3)]
    (limited,) = add(journal, web, *plain, asked(rate="1/h"))[3:]
    assert len(claimed(journal, runner, limit=3)) == 3
    assert ids(claimed(journal, runner, limit=3)) == [limited]


def test_nothing_of_a_paused_queue_begins(journal: RunnersJournal, web: int, runner: int) -> None:
    tasks = add(journal, web, asked(queue="mail"), asked())
    with journal.transaction():
        assert journal.queues.pause("mail")
        assert not journal.queues.pause("mail")
    assert ids(claimed(journal, runner)) == tasks[1:]
    assert list(journal.attempts.due()) == []
    with journal.transaction():
        assert journal.queues.resume("mail")
        assert not journal.queues.resume("mail")
        assert not journal.queues.resume("other")
    assert ids(claimed(journal, runner)) == tasks[:1]


def test_a_queue_can_be_paused_before_anybody_has_named_it(journal: RunnersJournal, web: int, runner: int) -> None:
    with journal.transaction():
        journal.queues.pause("mail")
    limit(journal, mail=Limit(5))
    add(journal, web, asked(queue="mail"))
    assert claimed(journal, runner) == []


def test_a_full_queue_refuses(journal: RunnersJournal, web: int, runner: int) -> None:
    add_if_room(journal, web, "mail", "mail")
    with pytest.raises(QueueFull, match="queue 'mail' is full: 2 of its tasks wait"):
        add_if_room(journal, web, "mail")
    assert len(claimed(journal, runner)) == 2
    with pytest.raises(QueueFull):
        add_if_room(journal, web, "mail", "mail", "mail")
    add_if_room(journal, web, "mail", "other", "other", "other", "mail")


def test_who_joins_a_task_of_a_full_queue_is_not_refused(journal: RunnersJournal, web: int) -> None:
    first, second = (asked(queue="mail", key="1") for _ in range(2))
    with journal.transaction():
        assert journal.tasks.add([first], web, max_waiting={"mail": 1}) == {}
        assert journal.tasks.add([second], web, max_waiting={"mail": 1}) == {second.id: first.id}


def add_if_room(journal: RunnersJournal, web: int, *queues: str) -> None:
    """To queues of which two tasks may wait in `mail`."""
    with journal.transaction():
        journal.tasks.add([asked(queue=name) for name in queues], web, max_waiting={"mail": 2})


def test_gates_that_nobody_needs_are_forgotten(url: str, journal: RunnersJournal, web: int, runner: int) -> None:
    add(journal, web, of_tenant("a", queue="mail", rate="1/s"))
    settle(journal, *map(done, claimed(journal, runner)), now=NOW)
    add(journal, web, of_tenant("b"))
    keep = Retention(done=0.0, count=10, failed=0.0)
    for _ in range(3):
        prune(url, keep, NOW + 100)
    with journal.transaction():
        connection = journal.connection.opened  # type: ignore[attr-defined]
        assert connection.execute("SELECT scope FROM gate").fetchall() == [('task app:send "b"',)]
        assert connection.execute("SELECT scope FROM quota").fetchall() == [('task app:send "b"',)]


def test_a_limited_task_is_one_that_waits(journal: RunnersJournal, history: History, web: int) -> None:
    (task,) = add(journal, web, asked(concurrency=1))
    shown = record(history, task)
    assert (shown.state, shown.run_at) == ("waiting", None)
