"""What runs after other tasks: let go with what they have returned, given up with the sentence why, and only once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from outlast.ids import shown
from outlast.journal.read import History
from outlast.journal.turn import Retention, RunnersJournal, Turn
from outlast.tasks.options import with_options
from outlast.tasks.sequel import Gets
from outlast.tasks.task import NO_OPTIONS, Claimed, End, NewTask, Sequel, Settlement, State, TaskOptions
from tests.journal.test_contract import add, history, new_task, record, release, runner, url, web
from tests.support.turns import at, claim, opened, prune, settle

__all__ = ["history", "runner", "url", "web"]


@pytest.fixture
def journal(url: str) -> Iterator[RunnersJournal]:
    journal = opened(url)
    yield journal
    journal.close()


def behind(before: NewTask, gets: Gets = Gets.RESULT, **options: Any) -> Sequel:
    """A task that gets something of that one."""
    parameters = {Gets.FAILURE: ("task", "why"), Gets.NOTHING: ()}.get(gets, ("it",))
    task = new_task(State.WAITING)._replace(options=with_options(NO_OPTIONS, options))
    return Sequel(task, (before.id,), gets, parameters)


def with_sequels(task: NewTask, *sequels: Sequel) -> NewTask:
    return task._replace(sequels=sequels)


def chain(length: int = 3, state: State = State.WAITING) -> tuple[NewTask, list[int]]:
    """One task after the other, each with the result of the one before."""
    tasks = [new_task(state), *(new_task(State.WAITING) for _ in range(length - 1))]
    ids = [one.id for one in tasks]
    whole = tasks.pop()
    while tasks:
        head = tasks.pop()
        whole = with_sequels(head, Sequel(whole, (head.id,), Gets.RESULT, ("it",)))
    return whole, ids


def done(one: Claimed, result: Any = None, reason: str = "") -> Settlement:
    text = None if result is None else json.dumps({"result": result})
    return Settlement(one.id, one.attempt, End.DONE, State.DONE, reason, result=text)


def failed(one: Claimed, reason: str = "ValueError: no") -> Settlement:
    return Settlement(one.id, one.attempt, End.ERROR, State.FAILED, reason)


def cancel(journal: RunnersJournal, task: int) -> bool:
    with journal.transaction():
        return journal.tasks.cancel([task])[task]


def retry(journal: RunnersJournal, task: int) -> bool:
    with journal.transaction():
        return journal.tasks.retry([task])[task]


def arguments(one: Claimed) -> Any:
    return json.loads(one.arguments)


def states(history: History, ids: list[int]) -> list[str]:
    return [record(history, one).state for one in ids]


def test_the_result_of_each_is_an_argument_of_the_next(journal: RunnersJournal, web: int, runner: int) -> None:
    whole, ids = chain(3)
    add(journal, web, whole)
    (first,) = claim(journal, runner, behind=10)
    assert (first.id, arguments(first)) == (ids[0], {"to": 1})
    settle(journal, done(first, [1, "ü"]))
    (second,) = claim(journal, runner)
    assert (second.id, arguments(second)) == (ids[1], {"it": [1, "ü"], "to": 1})
    settle(journal, done(second))
    (third,) = claim(journal, runner)
    assert (third.id, arguments(third)) == (ids[2], {"it": None, "to": 1}), "None is a result as any other"
    settle(journal, done(third))
    assert claim(journal, runner) == []


def test_it_is_let_go_in_the_transaction_of_the_end(journal: RunnersJournal, web: int, runner: int) -> None:
    whole, ids = chain(2)
    add(journal, web, whole)
    (first,) = claim(journal, runner)
    settle(journal, done(first, 1))
    assert not settle(journal, done(first, 2)), "which is taken once"
    (second,) = claim(journal, runner)
    assert arguments(second)["it"] == 1
    assert claim(journal, runner) == []
    assert second.id == ids[1]


def test_what_marks_say_of_a_result_goes_along(journal: RunnersJournal, web: int, runner: int) -> None:
    head = new_task(State.WAITING)
    after = behind(head)
    marked = json.dumps({"to": "x", "@marks": {"Path": [["to"]]}})
    add(journal, web, with_sequels(head, replace(after, task=after.task._replace(arguments=marked))))
    (first,) = claim(journal, runner)
    result = json.dumps({"result": {"at": "2026-01-01"}, "@marks": {"date": [["result", "at"]], "Path": []}})
    settle(journal, done(first)._replace(result=result))
    (second,) = claim(journal, runner)
    assert arguments(second)["@marks"] == {"Path": [["to"]], "date": [["it", "at"]]}


def test_a_callback_gets_the_results_of_its_group_in_their_order(
    journal: RunnersJournal, web: int, runner: int
) -> None:
    members = [new_task(State.WAITING) for _ in range(3)]
    after = Sequel(new_task(State.WAITING), tuple(one.id for one in members), Gets.RESULTS, ("it",))
    add(journal, web, with_sequels(members[0], after), *members[1:])
    attempts = {one.id: one for one in claim(journal, runner)}
    for number in (2, 0, 1):
        assert claim(journal, runner) == []
        settle(journal, done(attempts[members[number].id], number))
    (last,) = claim(journal, runner)
    assert (last.id, arguments(last)["it"]) == (after.task.id, [0, 1, 2])


def test_results_outlast_the_tasks_that_returned_them(journal: RunnersJournal, url: str, web: int, runner: int) -> None:
    members = [new_task(State.WAITING) for _ in range(2)]
    after = Sequel(new_task(State.WAITING), tuple(one.id for one in members), Gets.RESULTS, ("it",))
    add(journal, web, with_sequels(members[0], after), members[1])
    first, second = claim(journal, runner)
    settle(journal, done(first, "early"))
    assert prune(url, Retention(done=0.0, count=0, failed=0.0), 1000.0) == 1
    settle(journal, done(second, "late"), now=1001.0)
    (last,) = claim(journal, runner, now=1002.0)
    assert arguments(last)["it"] == ["early", "late"]
    at(1.0)


@pytest.mark.parametrize("end", ["failed", "cancelled", "expired"])
def test_what_runs_after_one_that_does_not_get_done_ends_too_and_says_which(
    journal: RunnersJournal, history: History, web: int, runner: int, end: str
) -> None:
    whole, ids = chain(3)
    whole = whole._replace(options=with_options(NO_OPTIONS, {"expires": 50} if end == "expired" else {}))
    add(journal, web, whole)
    assert shown(ids[0]) in record(history, ids[1]).reason, "it says what it waits for"
    if end == "failed":
        settle(journal, failed(claim(journal, runner)[0]))
    elif end == "cancelled":
        cancel(journal, ids[0])
    else:
        at(100.0)
        journal.turn(Turn(runner))
    state = "cancelled" if end == "cancelled" else "dropped"
    assert states(history, ids[1:]) == [state, state]
    for one in ids[1:]:
        why = record(history, one).reason
        assert shown(ids[0]) in why
        assert "app:send" in why
        assert {"failed": "ValueError: no", "cancelled": "was cancelled", "expired": "expires"}[end] in why
    assert claim(journal, runner, now=101.0) == []
    at(1.0)


def test_a_result_that_was_not_kept_ends_what_was_to_get_it(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    head = new_task(State.WAITING)
    wants, wants_nothing = behind(head), behind(head, Gets.NOTHING)
    add(journal, web, with_sequels(head, wants, wants_nothing))
    settle(journal, done(claim(journal, runner)[0], reason="its result is not kept: it is too large"))
    assert record(history, wants.task.id).state == "dropped"
    assert "too large" in record(history, wants.task.id).reason
    assert [one.id for one in claim(journal, runner)] == [wants_nothing.task.id]


def test_who_gets_nothing_runs_only_when_all_are_done(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    members = [new_task(State.WAITING) for _ in range(2)]
    after = Sequel(new_task(State.WAITING), tuple(one.id for one in members), Gets.NOTHING)
    add(journal, web, with_sequels(members[0], after), members[1])
    first, second = claim(journal, runner)
    settle(journal, done(first, reason="its result is not kept: it is too large"), failed(second))
    assert record(history, after.task.id).state == "dropped"
    assert shown(second.id) in record(history, after.task.id).reason


def test_results_that_are_too_large_together_end_it(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    members = [new_task(State.WAITING) for _ in range(3)]
    after = Sequel(new_task(State.WAITING), tuple(one.id for one in members), Gets.RESULTS, ("it",))
    add(journal, web, with_sequels(members[0], after), *members[1:])
    settle(journal, *(done(one, "x" * 400_000) for one in claim(journal, runner)))
    assert record(history, after.task.id).state == "dropped"
    assert "1024 KiB" in record(history, after.task.id).reason


@pytest.mark.parametrize("stored", ["no JSON", "[]", '{"other":1}', '{"result":1,"@marks":5}', "[" * 5000])
def test_a_result_that_nobody_has_written_ends_what_was_to_get_it(
    journal: RunnersJournal, history: History, web: int, runner: int, stored: str
) -> None:
    whole, ids = chain(2)
    add(journal, web, whole)
    settle(journal, done(claim(journal, runner)[0])._replace(result=stored))
    assert record(history, ids[1]).state == "dropped"
    assert "cannot be read" in record(history, ids[1]).reason


def test_on_failure_gets_the_id_and_the_reason(journal: RunnersJournal, web: int, runner: int) -> None:
    head = new_task(State.WAITING)
    after = behind(head, Gets.FAILURE)
    add(journal, web, with_sequels(head, after))
    (first,) = claim(journal, runner)
    settle(journal, failed(first)._replace(state=State.WAITING, retried=1))
    (again,) = claim(journal, runner)
    assert again.id == head.id, "it has not failed for good"
    settle(journal, failed(again))
    (called,) = claim(journal, runner)
    assert called.id == after.task.id
    assert arguments(called) == {"to": 1, "task": shown(head.id), "why": "ValueError: no"}


@pytest.mark.parametrize("ends", ["done", "cancelled", "request failed"])
def test_on_failure_is_forgotten_where_nothing_fails(
    journal: RunnersJournal, history: History, web: int, runner: int, ends: str
) -> None:
    head = new_task(State.HELD if ends == "request failed" else State.WAITING)
    after, last = behind(head, Gets.FAILURE), behind(head)
    last = replace(last, task=with_sequels(last.task, behind(last.task, Gets.FAILURE)))
    add(journal, web, with_sequels(head, after, last))
    if ends == "done":
        settle(journal, done(claim(journal, runner)[0]))
        settle(journal, done(claim(journal, runner)[0]))
    elif ends == "cancelled":
        cancel(journal, head.id)
    else:
        from outlast.journal.contract import Drop

        with journal.transaction():
            journal.tasks.drop([Drop(head.id, "its request failed")])
    assert {one.id for one in history.tasks()} == {shown(head.id), shown(last.task.id)}
    assert claim(journal, runner) == []


def test_what_runs_after_on_failure_is_forgotten_with_it(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    head = new_task(State.WAITING)
    alarm = behind(head, Gets.FAILURE)
    after = behind(alarm.task)
    add(journal, web, with_sequels(head, replace(alarm, task=with_sequels(alarm.task, after))))
    settle(journal, done(claim(journal, runner)[0]))
    assert [one.id for one in history.tasks()] == [shown(head.id)]


def test_on_failure_of_the_last_is_told_of_the_first(journal: RunnersJournal, web: int, runner: int) -> None:
    head = new_task(State.WAITING)
    last = behind(head)
    alarm = behind(last.task, Gets.FAILURE)
    add(journal, web, with_sequels(head, replace(last, task=with_sequels(last.task, alarm))))
    settle(journal, failed(claim(journal, runner)[0]))
    (called,) = claim(journal, runner)
    assert called.id == alarm.task.id
    assert arguments(called)["task"] == shown(last.task.id)
    assert shown(head.id) in arguments(called)["why"]


def test_the_first_of_a_held_chain_holds_all(journal: RunnersJournal, web: int, runner: int) -> None:
    whole, ids = chain(2, State.HELD)
    add(journal, web, whole)
    assert claim(journal, runner) == []
    assert release(journal, ids[:1]) == 1
    (first,) = claim(journal, runner)
    settle(journal, done(first, 1))
    assert [one.id for one in claim(journal, runner)] == ids[1:]


def test_delay_and_expiry_count_from_when_it_may_begin(journal: RunnersJournal, web: int, runner: int) -> None:
    head = new_task(State.WAITING)
    after = behind(head, delay=60, expires=90)
    add(journal, web, with_sequels(head, after))
    (first,) = claim(journal, runner, now=500.0)
    settle(journal, done(first), now=1000.0)
    assert claim(journal, runner, now=1059.0) == []
    assert [one.id for one in claim(journal, runner, now=1060.0)] == [after.task.id]
    at(1.0)


def test_a_moment_is_the_same_whenever_the_one_before_has_ended(journal: RunnersJournal, web: int, runner: int) -> None:
    head = new_task(State.WAITING)
    later, passed = behind(head), behind(head)
    later = replace(later, task=later.task._replace(options=TaskOptions(run_at=110.0)))
    passed = replace(passed, task=passed.task._replace(options=TaskOptions(run_at=50.0)))
    add(journal, web, with_sequels(head, later, passed))
    (one,) = claim(journal, runner)
    settle(journal, done(one, "it"), now=100.0)
    assert [one.id for one in claim(journal, runner, now=109.0)] == [passed.task.id]
    assert [one.id for one in claim(journal, runner, now=110.0)] == [later.task.id]
    at(1.0)


def test_limits_hold_for_what_runs_after_others(journal: RunnersJournal, web: int, runner: int) -> None:
    heads = [new_task(State.WAITING) for _ in range(2)]
    sequels = [behind(one, concurrency=1) for one in heads]
    for head, sequel in zip(heads, sequels, strict=True):
        add(journal, web, with_sequels(head, sequel))
    firsts = claim(journal, runner)
    assert {one.id for one in firsts} == {one.id for one in heads}
    settle(journal, *(done(one, 1) for one in firsts))
    (one,) = claim(journal, runner)
    assert claim(journal, runner) == []
    settle(journal, done(one))
    (other,) = claim(journal, runner)
    assert {one.id, other.id} == {sequel.task.id for sequel in sequels}


def test_retry_of_the_one_that_failed_lets_the_rest_wait_for_it_again(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    whole, ids = chain(3)
    add(journal, web, whole)
    settle(journal, failed(claim(journal, runner)[0]))
    assert retry(journal, ids[0])
    assert states(history, ids) == ["waiting", "waiting", "waiting"]
    for number, one in enumerate(ids):
        (attempt,) = claim(journal, runner)
        assert attempt.id == one
        settle(journal, done(attempt, number))
    assert states(history, ids) == ["done", "done", "done"]


def test_retry_of_one_that_was_given_up_begins_where_the_chain_broke(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    whole, ids = chain(4)
    add(journal, web, whole)
    settle(journal, done(claim(journal, runner)[0], "first"))
    settle(journal, failed(claim(journal, runner)[0]))
    assert retry(journal, ids[3])
    assert states(history, ids) == ["done", "waiting", "waiting", "waiting"]
    (second,) = claim(journal, runner)
    assert (second.id, arguments(second)["it"]) == (ids[1], "first")
    settle(journal, done(second, "second"))
    assert [(one.id, arguments(one)["it"]) for one in claim(journal, runner)] == [(ids[2], "second")]


def test_retry_of_one_that_is_done_lets_nothing_after_it_run_again(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    whole, ids = chain(2)
    add(journal, web, whole)
    for _ in ids:
        settle(journal, done(claim(journal, runner)[0], 1))
    assert retry(journal, ids[0])
    settle(journal, done(claim(journal, runner)[0], 2))
    assert claim(journal, runner) == []
    assert retry(journal, ids[1])
    (second,) = claim(journal, runner)
    assert (second.attempt, arguments(second)["it"]) == (2, 1), "with the arguments that it had"


def test_retry_cannot_bring_back_what_is_gone(journal: RunnersJournal, history: History, web: int, runner: int) -> None:
    whole, ids = chain(2)
    add(journal, web, whole)
    settle(journal, failed(claim(journal, runner)[0]))
    with journal.transaction():
        journal.tasks.delete([ids[0]])
    assert not retry(journal, ids[1])
    assert record(history, ids[1]).state == "dropped"


def test_what_failed_again_is_told_again(journal: RunnersJournal, history: History, web: int, runner: int) -> None:
    head = new_task(State.WAITING)
    alarm = behind(head, Gets.FAILURE)
    add(journal, web, with_sequels(head, alarm))
    for attempt in (1, 2):
        settle(journal, failed(claim(journal, runner)[0], f"time {attempt}"))
        (called,) = claim(journal, runner)
        assert (called.id, called.attempt, arguments(called)["why"]) == (alarm.task.id, attempt, f"time {attempt}")
        settle(journal, done(called))
        assert retry(journal, head.id)
    settle(journal, done(claim(journal, runner)[0]))
    assert claim(journal, runner) == []
    assert record(history, alarm.task.id).state == "dropped"


def test_one_that_was_cancelled_by_hand_stays_so_and_can_be_let_run(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    whole, ids = chain(3)
    add(journal, web, whole)
    assert cancel(journal, ids[1])
    settle(journal, done(claim(journal, runner)[0], "kept"))
    assert states(history, ids) == ["done", "cancelled", "cancelled"]
    assert retry(journal, ids[1])
    (second,) = claim(journal, runner)
    assert arguments(second)["it"] == "kept"
    assert states(history, ids) == ["done", "running", "waiting"]


def test_deleting_the_one_before_ends_what_waits_for_it(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    whole, ids = chain(2)
    add(journal, web, whole)
    (first,) = claim(journal, runner)
    settle(journal, Settlement(first.id, 1, End.PARKED, State.PARKED, "not known"))
    with journal.transaction():
        assert journal.tasks.delete([ids[0]]) == {ids[0]: True}
    assert record(history, ids[1]).state == "dropped"
    assert "was deleted" in record(history, ids[1]).reason


def test_a_chain_whose_first_has_a_taken_key_is_the_one_that_is_there(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    keyed = with_options(NO_OPTIONS, {"key": "42", "key_for": 1000})
    (one, ids), (other, others) = chain(3), chain(3)
    add(journal, web, one._replace(options=keyed))
    with journal.transaction():
        joined = journal.tasks.add([other._replace(options=keyed)], web)
    assert joined == dict(zip(others, ids, strict=True))
    assert len(history.tasks()) == 3
    for _ in ids:
        settle(journal, done(claim(journal, runner)[0], 1))
    late, lates = chain(3)
    with journal.transaction():
        assert journal.tasks.add([late._replace(options=keyed)], web) == dict(zip(lates, ids, strict=True))


def test_what_a_chain_has_beyond_the_one_that_is_there_runs_after_that(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    keyed = with_options(NO_OPTIONS, {"key": "42", "key_for": 1000})
    (one, ids), (longer, others), (late, lates) = chain(2), chain(4), chain(3)
    add(journal, web, one._replace(options=keyed))
    with journal.transaction():
        joined = journal.tasks.add([longer._replace(options=keyed)], web)
    assert joined == dict(zip(others[:2], ids, strict=True))
    for number in range(4):
        (it,) = claim(journal, runner)
        settle(journal, done(it, number))
    assert states(history, [*ids, *others[2:]]) == ["done"] * 4
    with journal.transaction():
        assert journal.tasks.delete(others[2:]) == dict.fromkeys(others[2:], True)
        journal.tasks.add([late._replace(options=keyed)], web)
    (again,) = claim(journal, runner)
    assert (again.id, arguments(again)["it"]) == (lates[2], 1)


def test_what_a_response_wants_to_run_after_the_task_of_another_does_not(
    journal: RunnersJournal, history: History, web: int
) -> None:
    keyed = with_options(NO_OPTIONS, {"key": "42"})
    first, (other, others) = new_task(State.HELD)._replace(options=keyed), chain(3, State.HELD)
    add(journal, web, first)
    with journal.transaction():
        joined = journal.tasks.add([other._replace(options=keyed)], web)
    assert joined == dict.fromkeys(others, first.id)
    assert len(history.tasks()) == 1


def test_what_runs_after_a_task_that_is_gone_is_that(journal: RunnersJournal, url: str, web: int, runner: int) -> None:
    keyed = with_options(NO_OPTIONS, {"key": "42", "key_for": 1000})
    first, (other, others) = new_task(State.WAITING)._replace(options=keyed), chain(2)
    add(journal, web, first)
    settle(journal, done(claim(journal, runner)[0]))
    prune(url, Retention(done=1.0, count=0, failed=1.0), now=500.0)
    with journal.transaction():
        joined = journal.tasks.add([other._replace(options=keyed)], web)
    assert joined == dict.fromkeys(others, first.id)


def test_where_a_later_key_is_taken_what_is_behind_it_runs_after_who_has_it(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    holder = new_task(State.WAITING)._replace(options=with_options(NO_OPTIONS, {"key": "z"}))
    add(journal, web, holder)
    head = new_task(State.WAITING)
    middle = behind(head, key="z")
    last = behind(middle.task)
    add(journal, web, with_sequels(head, replace(middle, task=with_sequels(middle.task, last))))
    assert len(history.tasks()) == 3
    settle(journal, *(done(one, f"of {one.id}") for one in claim(journal, runner)))
    (only,) = claim(journal, runner)
    assert (only.id, arguments(only)["it"]) == (last.task.id, f"of {holder.id}")


def test_of_one_batch_the_first_stands_for_the_others_with_its_key(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    heads = [new_task(State.WAITING), new_task(State.WAITING)]
    middles = [behind(one, key="z") for one in heads]
    lasts = [behind(one.task, Gets.NOTHING) for one in middles[1:]]
    whole = [with_sequels(heads[0], middles[0])]
    whole.append(with_sequels(heads[1], replace(middles[1], task=with_sequels(middles[1].task, *lasts))))
    with journal.transaction():
        assert journal.tasks.add(whole, web) == {middles[1].task.id: middles[0].task.id}
    for _ in range(3):
        settle(journal, *(done(one, 1) for one in claim(journal, runner)))
    assert states(history, [middles[0].task.id, lasts[0].task.id]) == ["done", "done"]


def test_a_later_key_is_taken_when_the_chain_is_added(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    heads = [new_task(State.WAITING), new_task(State.WAITING)]
    sequels = [behind(one, key="index") for one in heads]
    for head, sequel in zip(heads, sequels, strict=True):
        add(journal, web, with_sequels(head, sequel))
    assert len(history.tasks()) == 3
    settle(journal, *(done(one, number) for number, one in enumerate(claim(journal, runner))))
    (only,) = claim(journal, runner)
    assert (only.id, arguments(only)["it"]) == (sequels[0].task.id, 0)


def test_who_waits_for_another_is_not_the_oldest_that_waits(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    add(journal, web, chain(2)[0])
    claim(journal, runner)
    assert history.summary(100.0).oldest_waiting is None


def test_nothing_is_left_of_what_is_forgotten(journal: RunnersJournal, url: str, web: int, runner: int) -> None:
    whole, ids = chain(3)
    add(journal, web, whole)
    for _ in ids:
        settle(journal, done(claim(journal, runner)[0], 1))
    assert prune(url, Retention(done=0.0, count=0, failed=0.0), 1000.0) == 3
    rows: Any = journal
    with journal.transaction():
        query = "SELECT (SELECT count(*) FROM link), (SELECT count(*) FROM sequel)"
        assert rows.connection.opened.execute(query).fetchone() == (0, 0)
