"""A journal with a task of each kind, and its dashboard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from outlast.board.board import board
from outlast.board.guard import Gate
from outlast.ids import number_of, shown
from outlast.journal.contract import ProcessEntry
from outlast.journal.engines import open_history, open_journal
from outlast.journal.read import Record
from outlast.journal.schedules import Scheduled
from outlast.journal.turn import RunnersJournal
from outlast.settings.settings import Settings
from outlast.system.deployment import Home
from outlast.tasks.ids import TaskIds
from outlast.tasks.limits import Limit, Limits
from outlast.tasks.schedules import Blueprint, Missed, Schedule
from outlast.tasks.task import NO_OPTIONS, End, Lane, NewTask, Settlement, State
from outlast.tasks.timing import timing
from tests.support.turns import claim, done, settle

IDS = TaskIds()
TRACEBACK = (
    'Traceback (most recent call last):\n  File "/srv/shop/orders.py", line 12, in send\n    x\nValueError: no\n'
)


@dataclass
class Tasks:
    """A journal in which a test puts tasks."""

    url: str
    journal: RunnersJournal
    runner: int

    def add(self, *functions: str, arguments: str = '{"to":"Ada"}', origin: str = "GET /", key: str = "") -> list[str]:
        """Tasks that wait, by their ids."""
        options = replace(NO_OPTIONS, key=key) if key else NO_OPTIONS
        tasks = [
            NewTask(IDS.next(), one, arguments, Lane.LOOP, State.WAITING, 1.8e9, origin, options=options)
            for one in functions
        ]
        with self.journal.transaction():
            self.journal.tasks.add(tasks, self.runner)
        return [shown(one.id) for one in tasks]

    def enqueue(self, queue: str, function: str) -> str:
        """A task in a queue that may run one at once; its id."""
        options = replace(NO_OPTIONS, limits=Limits(queue, Limit(1)))
        task = NewTask(IDS.next(), function, "{}", Lane.LOOP, State.WAITING, 1.8e9, "GET /", options=options)
        with self.journal.transaction():
            self.journal.tasks.add([task], self.runner)
        return shown(task.id)

    def fail(self, *functions: str, reason: str = "ValueError: no", traceback: str = TRACEBACK) -> list[str]:
        """Tasks that have failed, one second after the other."""
        ids = self.add(*functions)
        for number, one in enumerate(claim(self.journal, self.runner, limit=len(ids), now=1.8e9)):
            end = Settlement(one.id, one.attempt, End.ERROR, State.FAILED, reason, traceback)
            settle(self.journal, end, now=1.8e9 + number)
        return ids

    def finish(self, *functions: str) -> list[str]:
        """Tasks that are done."""
        ids = self.add(*functions)
        settle(self.journal, *map(done, claim(self.journal, self.runner, limit=len(ids))))
        return ids

    def schedule(self, name: str, function: str = "main:nightly") -> str:
        """A schedule that was asked for at run time; its number."""
        blueprint = Blueprint(function, '{"to":"Ada"}', Lane.LOOP, NO_OPTIONS)
        one = Scheduled(IDS.next(), Schedule(name, timing(None, 60), Missed.ONCE, blueprint))
        with self.journal.transaction():
            self.journal.schedules.put(one, Home("main:app", "1"))
        (found,) = (one for one in open_history(self.url).schedules() if one.name == name)
        return str(found.id)

    def record(self, task: str) -> Record:
        return open_history(self.url).task(task)

    def states(self, ids: Sequence[str]) -> list[str]:
        """Of these tasks; "" for one that is gone."""
        known = open_history(self.url).tasks_of(ids)
        return [known[one].state if one in known else "" for one in ids]

    def number(self, task: str) -> int:
        return number_of(task)


@pytest.fixture
def tasks(tmp_path: Path) -> Iterator[Tasks]:
    url = f"sqlite:///{tmp_path}/journal.db"
    journal = open_journal(url)
    with journal.transaction():
        runner = journal.processes.enter(ProcessEntry("runner", 4711, "here", 1.0))
    yield Tasks(url, journal, runner)
    journal.close()


@pytest.fixture
def dashboard(tasks: Tasks) -> ASGIApp:
    """Open to everybody."""
    return of(tasks.url)


def of(url: str, *, is_read_only: bool = False) -> ASGIApp:
    settings = Settings(url=url)
    return board(lambda: settings, Gate(lambda _: True, lambda: False), is_read_only=is_read_only)
