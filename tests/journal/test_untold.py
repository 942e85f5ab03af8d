"""Ends that callbacks wait for, in the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import apsw
import pytest

from outlast.journal.contract import Drop, ProcessEntry
from outlast.journal.sqlite import untold
from outlast.journal.sqlite.journal import SqliteJournal
from outlast.journal.sqlite.untold import MOST_TRIES, OTHERS_AFTER, keep_newest
from outlast.system.deployment import Home
from outlast.tasks.callbacks import TaskEnd
from outlast.tasks.ids import TaskIds
from outlast.tasks.options import with_options
from outlast.tasks.task import NO_OPTIONS, End, Lane, NewTask, Settlement, State
from tests.support.journals import SIDES
from tests.support.turns import CLOCK, at, claim, leave, settle

IDS = TaskIds()
FAILED = frozenset({State.FAILED})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    one = SqliteJournal(f"sqlite:///{tmp_path / 'journal.db'}", clock=CLOCK)
    with one.transaction():
        for process in (1, 2, 3):
            one.processes.enter(ProcessEntry("child", process, "here", 0.0), process)
    yield one
    one.close()


def fail(journal: SqliteJournal, ended_at: float = 10.0, app: str = "") -> int:
    """A task that has failed at that time."""
    task = NewTask(IDS.next(), "app:send", "{}", Lane.LOOP, State.WAITING, 1.0, "GET /")
    with journal.transaction():
        journal.tasks.add([task], 1, Home(app))
    (claimed,) = claim(journal, 1, home=Home(app))
    end = Settlement(task.id, claimed.attempt, End.ERROR, State.FAILED, "ValueError: no", "stack")
    settle(journal, end, now=ended_at)
    return task.id


def listen(journal: SqliteJournal, *states: State) -> None:
    with journal.transaction():
        journal.ends.listen(states)


def taken(journal: SqliteJournal, teller: int, *seen: int, now: float = 11.0) -> list[int]:
    return [one.number for one in take(journal, teller, seen, now)[0]]


def take(
    journal: SqliteJournal, teller: int, seen: Iterable[int] = (), now: float = 99.0, app: str = ""
) -> tuple[list[TaskEnd], list[TaskEnd]]:
    at(now)
    with journal.transaction():
        return journal.ends.take(teller, seen, app)


def test_what_nobody_listens_for_is_not_kept(journal: SqliteJournal) -> None:
    fail(journal)
    listen(journal, State.CANCELLED)
    fail(journal)
    assert not journal.ends.has_untold


def test_an_end_says_the_queue_of_its_task(journal: SqliteJournal) -> None:
    listen(journal, State.CANCELLED)
    task = NewTask(IDS.next(), "app:send", "{}", Lane.LOOP, State.WAITING, 1.0, "GET /")
    in_queue = task._replace(id=IDS.next(), options=with_options(NO_OPTIONS, {"queue": "mail"}))
    with journal.transaction():
        journal.tasks.add([task, in_queue], 1)
        journal.tasks.cancel([task.id, in_queue.id])
    assert [one.queue for one in take(journal, 1)[0]] == ["", "mail"]


def test_a_drop_and_a_cancel_are_ends_too(journal: SqliteJournal) -> None:
    listen(journal, State.CANCELLED, State.DROPPED)
    held = [NewTask(IDS.next(), "app:send", "{}", Lane.LOOP, State.HELD, 1.0, "GET /") for _ in range(2)]
    with journal.transaction():
        journal.tasks.add(held, 1)
        journal.tasks.drop([Drop(held[0].id, "its request failed")])
        journal.tasks.cancel([held[1].id])
    ends, _ = take(journal, 1)
    assert [(one.state, one.attempt) for one in ends] == [("dropped", 0), ("cancelled", 0)]
    assert ends[0].reason == "its request failed"


def test_who_has_seen_an_end_tells_it_and_others_only_later(journal: SqliteJournal) -> None:
    listen(journal, State.FAILED)
    task = fail(journal)
    assert taken(journal, 2) == []
    assert taken(journal, 1, task) == [task]
    assert taken(journal, 1, task) == taken(journal, 2, task, now=99.0) == []  # it is being told
    with journal.transaction():
        journal.ends.strike([task])
    assert not journal.ends.has_untold


def test_what_a_process_that_is_gone_had_to_tell_is_told_by_another_a_few_times(journal: SqliteJournal) -> None:
    listen(journal, State.FAILED)
    task = fail(journal)
    for teller in range(1, MOST_TRIES + 1):
        assert taken(journal, teller, now=10.0 + OTHERS_AFTER) == [task]
        leave(journal, teller, "died", 12.0)
    ends, given_up = take(journal, 9)
    assert (ends, [one.number for one in given_up]) == ([], [task])
    assert not journal.ends.has_untold


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
        journal.tasks.retry([task])
    assert taken(journal, 1, task) == []


def test_what_happens_to_another_app_is_left_to_that_one(journal: SqliteJournal) -> None:
    listen(journal, State.FAILED)
    ours, _, anybodys = fail(journal, app="main:app"), fail(journal, app="other:app"), fail(journal)
    ends, _ = take(journal, 1, app="main:app")
    assert [one.number for one in ends] == [ours, anybodys]


def test_an_end_is_noted_also_in_a_journal_that_was_put_back(journal: SqliteJournal) -> None:
    listen(journal, State.FAILED)
    for side in SIDES:
        Path(f"{journal.path}{side}").unlink()
    number = fail(journal)
    assert taken(journal, 7, number) == [number]
