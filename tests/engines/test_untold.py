"""Ends that callbacks wait for, in the journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from outlast.deployments import Home
from outlast.engines import untold
from outlast.engines.contract import Drop, ProcessEntry
from outlast.engines.sqlite import SqliteJournal
from outlast.engines.untold import MOST_TRIES, OTHERS_AFTER, keep_newest
from outlast.process import this
from outlast.tasks import End, Lane, NewTask, Settlement, State, TaskIds

IDS = TaskIds()
FAILED = frozenset({State.FAILED})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    one = SqliteJournal(f"sqlite:///{tmp_path / 'journal.db'}")
    with one.transaction():
        for process in (1, 2, 3):
            one.enter(ProcessEntry("child", process, "here", 0.0), process)
    yield one
    one.close()


def fail(journal: SqliteJournal, at: float = 10.0, app: str = "") -> int:
    """A task that has failed at that time."""
    task = NewTask(IDS.next(), "app:send", "{}", Lane.LOOP, State.WAITING, 1.0, "GET /")
    with journal.transaction():
        journal.add([task], 1, Home(app))
        (claimed,) = journal.claim(1, Lane.LOOP, 1, at, home=Home(app))
        journal.settle([Settlement(task.id, claimed.attempt, End.ERROR, State.FAILED, "ValueError: no", "stack")], at)
    return task.id


def listen(journal: SqliteJournal, *states: State) -> None:
    with journal.transaction():
        journal.listen(states)


def taken(journal: SqliteJournal, teller: int, *seen: int, now: float = 11.0) -> list[int]:
    with journal.transaction():
        return [one.number for one in journal.take_untold(teller, seen, now)[0]]


def test_what_nobody_listens_for_is_not_kept(journal: SqliteJournal) -> None:
    fail(journal)
    listen(journal, State.CANCELLED)
    fail(journal)
    assert not journal.has_untold


def test_a_drop_and_a_cancel_are_ends_too(journal: SqliteJournal) -> None:
    listen(journal, State.CANCELLED, State.DROPPED)
    held = [NewTask(IDS.next(), "app:send", "{}", Lane.LOOP, State.HELD, 1.0, "GET /") for _ in range(2)]
    with journal.transaction():
        journal.add(held, 1)
        journal.drop([Drop(held[0].id, "its request failed")], 2.0)
        journal.cancel([held[1].id], 2.0)
        ends, _ = journal.take_untold(1, (), 99.0)
    assert [(one.state, one.attempt) for one in ends] == [("dropped", 0), ("cancelled", 0)]
    assert ends[0].reason == "its request failed"


def test_who_has_seen_an_end_tells_it_and_others_only_later(journal: SqliteJournal) -> None:
    listen(journal, State.FAILED)
    task = fail(journal, at=10.0)
    assert taken(journal, 2) == []
    assert taken(journal, 1, task) == [task]
    assert taken(journal, 1, task) == taken(journal, 2, task, now=99.0) == []  # it is being told
    with journal.transaction():
        journal.strike_untold([task])
    assert not journal.has_untold


def test_what_a_process_that_is_gone_had_to_tell_is_told_by_another_a_few_times(journal: SqliteJournal) -> None:
    listen(journal, State.FAILED)
    task = fail(journal, at=10.0)
    for teller in range(1, MOST_TRIES + 1):
        assert taken(journal, teller, now=10.0 + OTHERS_AFTER) == [task]
        with journal.transaction():
            journal.leave(teller, "died", 12.0)
    with journal.transaction():
        ends, given_up = journal.take_untold(9, (), 99.0)
    assert (ends, [one.number for one in given_up]) == ([], [task])
    assert not journal.has_untold


def test_the_newest_wait(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listen(journal, State.FAILED)
    tasks = [fail(journal) for _ in range(3)]
    monkeypatch.setattr(untold, "MOST_KEPT", 2)
    connection = apsw.Connection(str(journal.path))
    keep_newest(connection)
    connection.close()
    assert taken(journal, 1, *tasks) == tasks[1:]
    assert "will not be told of the ends of 1 tasks" in caplog.text


def test_one_that_runs_again_by_hand_is_told_once_it_has_ended_again(journal: SqliteJournal) -> None:
    listen(journal, State.FAILED)
    task = fail(journal)
    with journal.transaction():
        journal.retry([task], 11.0)
    assert taken(journal, 1, task) == []


def test_what_happens_to_another_app_is_left_to_that_one(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(journal, State.FAILED)
    ours, _, anybodys = fail(journal, app="main:app"), fail(journal, app="other:app"), fail(journal)
    monkeypatch.setattr(this, "home", Home("main:app"))
    assert taken(journal, 1, now=99.0) == [ours, anybodys]
