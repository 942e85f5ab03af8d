"""A journal for the commands to read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from outlast.ids import shown
from outlast.journal.contract import ProcessEntry
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import NO_OPTIONS, End, Lane, NewTask, Settlement, State
from tests.support.turns import claim, opened, settle


@pytest.fixture
def ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A journal in the current folder with a failed, a done and a waiting task, the oldest first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OUTLAST_URL", raising=False)
    numbers = TaskIds()
    names = ["app:fail", "app:ok", "other:wait"]
    tasks = [NewTask(numbers.next(), name, '{"n":1}', Lane.LOOP, State.WAITING, 1.0, "GET /x") for name in names]
    tasks[1] = tasks[1]._replace(options=replace(NO_OPTIONS, key="invoice-42"))
    journal = opened("sqlite:///.outlast/journal.db")
    with journal.transaction():
        web = journal.processes.enter(ProcessEntry("web", 4711, "here", 1.0))
        journal.tasks.add(tasks, web)
    failed, done = claim(journal, web, limit=2, now=2.0)
    settle(journal, Settlement(failed.id, 1, End.ERROR, State.FAILED, "ValueError: no", "Traceback …\n"), now=3.0)
    settle(journal, Settlement(done.id, 1, End.DONE, State.DONE))
    journal.close()
    return [shown(task.id) for task in tasks]
