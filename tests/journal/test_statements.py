"""What SQLite does for a verb: by which index it finds, how many rows it changes, what it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from outlast.journal.sqlite import admission, statements
from outlast.journal.sqlite.journal import SqliteJournal
from outlast.journal.turn import Retention
from outlast.tasks.options import with_options
from outlast.tasks.task import NO_OPTIONS, End, Settlement, State
from tests.journal.test_contract import add, new_task, release, web
from tests.support.turns import CLOCK, claim, done, learn, prune, settle

__all__ = ["web"]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(f"sqlite:///{tmp_path}/journal.db", clock=CLOCK)
    yield journal
    journal.close()


@pytest.mark.parametrize("statement", ["PRUNE", "PRUNE_EVENTS", "PRUNE_INCIDENTS", "PRUNE_PROCESSES", "SURPLUS"])
def test_what_is_past_keeping_is_found_by_an_index(journal: SqliteJournal, statement: str) -> None:
    query = getattr(statements, statement)
    bindings = {"PRUNE": (0, 0, 0, 1), "PRUNE_EVENTS": ("[]",), "SURPLUS": (1,)}.get(statement, (0, 1))
    with journal.transaction():
        plan = [str(row[-1]) for row in journal.connection.opened.execute(f"EXPLAIN QUERY PLAN {query}", bindings)]
    scans = [step for step in plan if step.startswith("SCAN") and "json" not in step]
    assert all("COVERING INDEX" in step for step in scans), plan
    assert not [step for step in plan if "TEMP B-TREE" in step]


@pytest.mark.parametrize("statement", [statements.DUE, admission._LINES])
def test_whoever_goes_from_group_to_group_looks_at_no_more_than_one_row_of_each(
    journal: SqliteJournal, web: int, statement: str
) -> None:
    limited = new_task(State.WAITING)._replace(options=with_options(NO_OPTIONS, {"queue": "mail"}))
    add(journal, web, *(new_task(State.WAITING) for _ in range(50)), *(limited._replace(id=n + 1) for n in range(50)))
    few = steps_of(journal, statement)
    add(
        journal, web, *(new_task(State.WAITING) for _ in range(500)), *(limited._replace(id=n + 99) for n in range(500))
    )
    assert steps_of(journal, statement) < 2 * few


def steps_of(journal: SqliteJournal, statement: str) -> int:
    """How many instructions SQLite takes for it."""
    steps = 0

    def counted() -> bool:
        nonlocal steps
        steps += 1
        return False

    bindings = (2.0,) if statement == statements.DUE else ("", "", "", 0, 100)
    with journal.transaction():
        journal.connection.opened.set_progress_handler(counted, 1)
        assert journal.connection.opened.execute(statement, bindings).fetchall()
        journal.connection.opened.set_progress_handler(None)
    return steps


def test_what_waits_is_set_apart_once_for_a_function_and_its_code(journal: SqliteJournal, web: int) -> None:
    add(journal, web, new_task(State.WAITING))
    assert [rows_changed_by_learning(journal, "code") for _ in range(3)] == [2, 1, 1]
    add(journal, web, new_task(State.WAITING))
    assert rows_changed_by_learning(journal, "other code") == 2, "what is known of it, and the task that waits"


def rows_changed_by_learning(journal: SqliteJournal, code: str) -> int:
    before = journal.connection.opened.total_changes()
    learn(journal, "app:send", code)
    return journal.connection.opened.total_changes() - before


def test_the_events_of_a_task_go_with_it(journal: SqliteJournal, web: int) -> None:
    ids = add(journal, web, *(new_task(State.WAITING) for _ in range(3)))
    settle(journal, *(Settlement(one.id, 1, End.ERROR, State.FAILED, "no") for one in claim(journal, web)))
    assert prune(f"sqlite:///{journal.path}", Retention(done=0.0, count=10, failed=0.0, most=2), 10.0) == 2
    with journal.transaction():
        assert {task for (task,) in journal.connection.opened.execute("SELECT task FROM event")} == {ids[2]}


def test_ordinary_moves_write_no_events(journal: SqliteJournal, web: int) -> None:
    ids = add(journal, web, new_task())
    release(journal, ids)
    settle(journal, *map(done, claim(journal, web)))
    with journal.transaction():
        assert journal.connection.opened.execute("SELECT * FROM event").fetchall() == []
