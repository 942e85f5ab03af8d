"""An answer that is lost after the deed, or before it: nobody knows, and nothing is stored twice or lost.

SQLite always knows. The journal of these tests is one whose answers can be cut, as a network does it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from outlast.errors import StoreFailed, StoreUnsure
from outlast.ids import shown
from outlast.journal.contract import Drop, Journal, ProcessEntry, Release
from outlast.journal.sqlite.journal import SqliteJournal
from outlast.journal.writer import Writer
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import Lane, NewTask, State
from tests.support.history import history_of
from tests.support.servers import eventually

IDS = TaskIds()
LONG = 20.0  # seconds


class Cut(SqliteJournal):
    """`lost` more answers are lost, after the deed or before it."""

    def __init__(self, url: str, *, after: bool) -> None:
        super().__init__(url)
        self.lost = 0
        self.after = after

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if not self.lost:
            with super().transaction():
                yield
            return
        self.lost -= 1
        try:
            with super().transaction():
                yield
                if not self.after:
                    raise StoreUnsure("the connection is lost")
        finally:
            self.close()
        raise StoreUnsure("the connection is lost")


@pytest.fixture(params=["after the deed", "before the deed"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cut]:
    journal = Cut(f"sqlite:///{tmp_path}/journal.db", after=request.param == "after the deed")
    yield journal
    journal.close()


@pytest.fixture
def writer(journal: Cut) -> Iterator[Writer]:
    writer = Writer(journal, enter, lambda: None)
    writer.store_now([], LONG)  # so that this process has its id
    yield writer
    writer.close()


def enter(journal: Journal, known: int) -> int:
    return journal.processes.enter(ProcessEntry("web", 1, "here", 1.0), known)


def new_task(state: State) -> NewTask:
    return NewTask(IDS.next(), "app:send", "{}", Lane.LOOP, state, 1.0, "")


def states(journal: Cut) -> dict[str, str]:
    return {one.id: one.state for one in history_of(journal.path).tasks()}


@pytest.mark.parametrize("cuts", [1, 2])
def test_who_waits_is_answered_when_it_is_known(journal: Cut, writer: Writer, cuts: int) -> None:
    first, second = new_task(State.HELD), new_task(State.WAITING)
    journal.lost = cuts
    writer.store_now([first, second], LONG)
    writer.store_now([Release(first.id)], LONG)
    assert states(journal) == {shown(first.id): "waiting", shown(second.id): "waiting"}
    assert journal.lost == 0


def test_what_nobody_waits_for_is_stored_once(journal: Cut, writer: Writer) -> None:
    task = new_task(State.HELD)
    journal.lost = 1
    writer.store_soon([task, Drop(task.id, "why")])
    eventually(lambda: writer.waiting == 0, "it is written")
    assert states(journal) == {shown(task.id): "dropped"}


def test_who_was_told_that_it_is_not_stored_is_right_in_the_end(journal: Cut, writer: Writer) -> None:
    task = new_task(State.HELD)
    journal.lost = 1_000_000
    with pytest.raises(StoreFailed):
        writer.store_now([task], 0.1)
    journal.lost = 0
    eventually(lambda: writer.waiting == 0 and states(journal) in harmless(task), "it is not there, or dropped")
    writer.store_now([Release(task.id)], LONG)
    assert states(journal) in harmless(task)


def harmless(task: NewTask) -> tuple[dict[str, str], dict[str, str]]:
    return {}, {shown(task.id): "dropped"}
