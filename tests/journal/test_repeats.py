"""A task that is asked for once more, as another one was: with all that was asked, and nothing of what happened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import apsw
import pytest

from outlast.errors import IdTaken, NotRepeatable
from outlast.ids import shown
from outlast.journal.engines import open_stashed_files, open_survey
from outlast.journal.read import History
from outlast.journal.turn import RunnersJournal
from outlast.system.deployment import NO_HOME, Home
from outlast.tasks.ids import TaskIds
from outlast.tasks.options import with_options
from outlast.tasks.sequel import Gets
from outlast.tasks.task import NO_OPTIONS, Claimed, End, Lane, NewTask, Sequel, Settlement, State
from tests.journal.test_contract import add, history, new_task, record, runner, url, web
from tests.support.turns import claim, claim_apart, done, opened, settle

__all__ = ["history", "runner", "url", "web"]
HERE = Home("main:app", "7")
IDS = TaskIds()


@pytest.fixture
def journal(url: str) -> Iterator[RunnersJournal]:
    journal = opened(url)
    yield journal
    journal.close()


def asked(**options: Any) -> NewTask:
    return new_task(State.WAITING)._replace(options=with_options(NO_OPTIONS, options))


def end(journal: RunnersJournal, runner: int, home: Home = NO_HOME, **how: Any) -> Claimed:
    """The only task that waits is claimed, and ends so."""
    (one,) = claim(journal, runner, home=home)
    ended: dict[str, Any] = {
        "end": End.ERROR,
        "state": State.FAILED,
        "reason": "ValueError: no",
        "traceback": "x",
    } | how
    settle(journal, Settlement(one.id, one.attempt, **ended))
    return one


def repeat(journal: RunnersJournal, task: int) -> int:
    new = IDS.next()
    with journal.transaction():
        journal.tasks.repeat(task, new)
    return new


def test_it_is_asked_for_as_the_other_one_was(journal: RunnersJournal, history: History, web: int, runner: int) -> None:
    options = {"timeout": 7.0, "retries": 3, "backoff": 5}
    made = asked(**options)._replace(context='{"v":{"main:who":"Ada"}}')
    with journal.transaction():
        journal.tasks.add([made], web, HERE)
    before = end(journal, runner, HERE, retried=2)
    new = repeat(journal, before.id)
    (after,) = claim(journal, runner, home=HERE)
    assert after == before._replace(id=new)
    assert (after.attempt, after.retried, after.checkpoint, after.policy.retries) == (1, 0, None, 3)
    shown_one = record(history, new)
    assert (shown_one.app, shown_one.release, shown_one.origin) == (
        "main:app",
        "7",
        f"somebody who has repeated task {shown(before.id)}",
    )


def test_the_other_one_stays_as_it_is_and_says_so(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    (task,) = add(journal, web, asked())
    end(journal, runner)
    before = record(history, task)
    new = repeat(journal, task)
    after = record(history, task)
    assert replace(after, events=before.events) == before
    *_, told = after.events
    assert (told.kind, told.reason) == ("repeated", f"task {shown(new)} has its arguments and options")


def test_who_reached_something_begins_at_the_beginning(journal: RunnersJournal, web: int, runner: int) -> None:
    (task,) = add(journal, web, asked())
    end(journal, runner, end=End.CRASHED)
    connection = journal.connection.opened  # type: ignore[attr-defined]
    with journal.transaction():
        connection.execute("UPDATE task SET checkpoint = '[7]', progress = '[1, 2, 3]', crashes = 1, cuts = 4")
    new = repeat(journal, task)
    (one,) = claim(journal, runner)
    assert (one.id, one.attempt, one.crashes, one.cuts, one.checkpoint) == (new, 1, 0, 0, None)


def test_delay_and_expiry_are_over(journal: RunnersJournal, web: int, runner: int) -> None:
    (task,) = add(journal, web, asked(delay=5.0, expires=60.0)._replace(created_at=1.0))
    (one,) = claim(journal, runner, now=10.0)
    settle(journal, done(one), now=90.0)
    new = repeat(journal, task)
    assert [one.id for one in claim(journal, runner, now=90.0)] == [new]


def test_it_has_the_same_priority(journal: RunnersJournal, web: int, runner: int) -> None:
    (urgent,) = add(journal, web, asked(priority=10))
    end(journal, runner)
    (plain,) = add(journal, web, asked())
    new = repeat(journal, urgent)
    assert [one.id for one in claim(journal, runner, limit=1)] == [new]
    assert [one.id for one in claim(journal, runner, limit=1)] == [plain]


def test_it_waits_behind_the_same_gate(journal: RunnersJournal, url: str, web: int, runner: int) -> None:
    (task,) = add(journal, web, asked(queue="mails", concurrency=1))
    end(journal, runner)
    repeat(journal, task)
    repeat(journal, task)
    assert [one.waiting for one in open_survey(url).queues()] == [2]
    assert len(claim(journal, runner)) == 1


def test_of_a_key_there_is_one_that_is_unfinished(journal: RunnersJournal, web: int, runner: int) -> None:
    (task,) = add(journal, web, asked(key="order-7"))
    end(journal, runner)
    new = repeat(journal, task)
    with pytest.raises(NotRepeatable, match=f"task {shown(new)} has its key"):
        repeat(journal, task)
    third = asked(key="order-7")
    with journal.transaction():
        assert journal.tasks.add([third], web) == {third.id: new}
        assert journal.tasks.retry([task]) == {task: False}


@pytest.mark.parametrize("state", [State.HELD, State.WAITING, State.RUNNING])
def test_one_that_has_not_ended_is_refused(journal: RunnersJournal, web: int, runner: int, state: State) -> None:
    (task,) = add(journal, web, new_task(State.HELD if state is State.HELD else State.WAITING))
    if state is State.RUNNING:
        claim(journal, runner)
    with pytest.raises(NotRepeatable, match=f"it has not ended: {state.label}"):
        repeat(journal, task)


def test_one_that_ran_in_the_web_worker_is_refused(journal: RunnersJournal, web: int) -> None:
    inline = new_task(State.HELD, Lane.INLINE)._replace(arguments=None)
    add(journal, web, inline)
    with journal.transaction():
        journal.attempts.begin([inline.id], web)
        journal.attempts.settle([Settlement(inline.id, 1, End.DONE, State.DONE)])
    with pytest.raises(NotRepeatable, match="its arguments are not stored"):
        repeat(journal, inline.id)


def test_one_that_never_got_what_it_was_to_get_is_refused(journal: RunnersJournal, web: int, runner: int) -> None:
    head, last = asked(), asked()
    with journal.transaction():
        journal.tasks.add([head._replace(sequels=(Sequel(last, (head.id,), Gets.RESULT, ("it",)),))], web)
    end(journal, runner)
    with pytest.raises(NotRepeatable, match="never got it"):
        repeat(journal, last.id)


def test_one_that_got_it_has_it_again_and_nothing_runs_after_it(journal: RunnersJournal, web: int, runner: int) -> None:
    head, last = asked(), asked()
    with journal.transaction():
        journal.tasks.add([head._replace(sequels=(Sequel(last, (head.id,), Gets.RESULT, ("it",)),))], web)
    end(journal, runner, end=End.DONE, state=State.DONE, reason="", result='{"result":7}')
    got = end(journal, runner)
    assert (got.id, json.loads(got.arguments)["it"]) == (last.id, 7)
    again = repeat(journal, last.id)
    (one,) = claim(journal, runner)
    assert (one.id, one.arguments) == (again, got.arguments)
    first = repeat(journal, head.id)
    assert [one.id for one in claim(journal, runner)] == [first]
    settle(journal, Settlement(first, 1, End.DONE, State.DONE, result='{"result":8}'))
    assert claim(journal, runner) == []


def test_one_that_is_gone_is_refused(journal: RunnersJournal, web: int, runner: int) -> None:
    with pytest.raises(NotRepeatable, match="not in the journal"):
        repeat(journal, IDS.next())


def test_nobody_gets_the_id_of_another(journal: RunnersJournal, web: int, runner: int) -> None:
    (task,) = add(journal, web, asked())
    end(journal, runner)
    with pytest.raises(IdTaken), journal.transaction():
        journal.tasks.repeat(task, task)


def test_a_file_that_is_stashed_for_it_is_kept(journal: RunnersJournal, url: str, web: int, runner: int) -> None:
    (task,) = add(journal, web, asked()._replace(stashed=("f" * 32,)))
    end(journal, runner)
    files = open_stashed_files(url)
    assert files.needed(["f" * 32]) == {"f" * 32: False}
    assert files.of(task) == ["f" * 32]
    new = repeat(journal, task)
    assert files.needed(["f" * 32]) == {"f" * 32: True}
    assert files.of(new) == ["f" * 32]


def test_a_function_that_was_learned_to_block_runs_alone(journal: RunnersJournal, web: int, runner: int) -> None:
    (task,) = add(journal, web, asked())
    one = end(journal, runner)
    connection: apsw.Connection = journal.connection.opened  # type: ignore[attr-defined]
    with journal.transaction():
        connection.execute("INSERT INTO function VALUES (?, 'x', 2.0, 1.0)", (one.function,))
    new = repeat(journal, task)
    assert claim(journal, runner) == []
    assert [one.id for one in claim_apart(journal, runner)] == [new]
