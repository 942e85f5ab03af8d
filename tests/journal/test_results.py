"""What tasks have returned, in the journal: kept with the end of the attempt that returned it, and read by two ways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlast.errors import JournalMissing
from outlast.ids import shown
from outlast.journal.engines import open_history
from outlast.journal.read import History, Standing
from outlast.journal.turn import RunnersJournal
from outlast.tasks.ids import TaskIds
from outlast.tasks.redaction import REDACTED
from outlast.tasks.task import End, Settlement, State
from tests.journal.test_contract import add, history, new_task, record, runner, url, web
from tests.support.turns import at, claim, done, opened, settle

__all__ = ["history", "runner", "url", "web"]
RESULT = '{"result":{"lines":3,"password":"hidden"}}'


@pytest.fixture
def journal(url: str) -> Iterator[RunnersJournal]:
    journal = opened(url)
    yield journal
    journal.close()


def returned(journal: RunnersJournal, web: int, runner: int, result: str | None = RESULT, lost: str = "") -> int:
    """A task that has returned that."""
    (task,) = add(journal, web, new_task(State.WAITING))
    (one,) = claim(journal, runner)
    assert settle(journal, done(one)._replace(result=result, reason=lost)) == [task]
    return task


def test_people_see_it_without_what_is_secret_and_code_has_it_whole(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    task = returned(journal, web, runner)
    assert json.loads(record(history, task).result) == {"lines": 3, "password": REDACTED}
    assert history.standings([task]) == {task: Standing(history.tasks()[0], RESULT)}


def test_where_nothing_is_kept_a_reason_may_say_why(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    task = returned(journal, web, runner, None, "its result is not kept: it is large")
    assert history.standings([task])[task].result is None
    assert record(history, task).reason == "its result is not kept: it is large"
    assert [one.reason for one in record(history, task).events if one.kind == "done"] == [record(history, task).reason]
    assert record(history, returned(journal, web, runner, None)).reason == ""


def test_a_late_attempt_leaves_no_result(journal: RunnersJournal, history: History, web: int, runner: int) -> None:
    (task,) = add(journal, web, new_task(State.WAITING))
    (first,) = claim(journal, runner)
    settle(journal, Settlement(task, first.attempt, End.INTERRUPTED, State.WAITING, "cut"))
    (second,) = claim(journal, runner)
    assert settle(journal, done(first)._replace(result=RESULT)) == []
    settle(journal, done(second)._replace(result='{"result":2}'))
    assert history.standings([task])[task].result == '{"result":2}'


def test_a_task_that_runs_again_by_hand_has_none(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    task = returned(journal, web, runner)
    with journal.transaction():
        assert journal.tasks.retry([task]) == {task: True}
    assert record(history, task).result == ""
    (one,) = claim(journal, runner)
    settle(journal, done(one))
    assert history.standings([task])[task].result is None


def test_how_tasks_stand(journal: RunnersJournal, history: History, web: int, runner: int) -> None:
    at(1.0)
    waiting, failing = add(journal, web, new_task(State.WAITING), new_task(State.WAITING))
    assert history.have_ended([waiting, failing, 5]) == {waiting: False, failing: False}
    for one in claim(journal, runner):
        if one.id == failing:
            settle(journal, Settlement(failing, one.attempt, End.ERROR, State.FAILED, "no", "in line 1"))
    assert history.have_ended([waiting, failing]) == {waiting: False, failing: True}
    standings = history.standings([waiting, failing, 5])
    assert {task: one.record.state for task, one in standings.items()} == {waiting: "running", failing: "failed"}
    assert [one.traceback for one in standings.values()] == ["", "in line 1"]


def test_the_version_is_another_one_when_something_was_written(
    journal: RunnersJournal, history: History, web: int
) -> None:
    before = history.version()
    assert history.version() == before
    add(journal, web, new_task())
    assert history.version() != before


def test_a_journal_that_another_has_replaced_is_seen(history: History, url: str, tmp_path: Path) -> None:
    assert history.version() is not None
    path = Path(url.removeprefix("sqlite:///"))
    path.rename(path.with_name("moved.db"))
    assert history.version() is None
    with pytest.raises(JournalMissing):
        open_history(f"sqlite:///{tmp_path / 'none.db'}")


def test_tasks_since_a_moment(journal: RunnersJournal, history: History, web: int) -> None:
    now = TaskIds.BEGINNING + 1000
    old, new = (new_task()._replace(id=TaskIds().next(moment), created_at=moment) for moment in (now - 1, now))
    add(journal, web, old, new)
    assert [one.id for one in history.tasks(since=now)] == [shown(new.id)]
    assert [one.id for one in history.tasks(since=now - 1)] == [shown(new.id), shown(old.id)]
    assert history.tasks(since=now + 1) == []
