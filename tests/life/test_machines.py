"""Rows of another machine's processes: whether those live is not asked of this kernel, which would say no."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from outlast.events.processes import elsewhere
from outlast.ids import shown
from outlast.journal.contract import ProcessEntry
from outlast.journal.engines import open_journal
from outlast.system.deployment import Home
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import Lane, NewTask, State
from tests.support.processes import kill, runners_in
from tests.support.servers import eventually, serving
from tests.support.turns import claim

OUTLAST = str(Path(sys.executable).with_name("outlast"))
THERE = Home("an app that is there", "1")


def work_elsewhere(url: str) -> tuple[str, str]:
    """A task that runs on another machine, and one that is held there; returns their ids."""
    another, ids = open_journal(url, machine="another"), TaskIds()
    running, held = (
        NewTask(ids.next(), "app:it", "{}", Lane.LOOP, state, 1.0, "") for state in (State.WAITING, State.HELD)
    )
    with another.transaction():
        web, runner = (another.processes.enter(ProcessEntry(kind, 1, "host-2", 1.0)) for kind in ("web", "runner"))
        another.tasks.add([running, held], web, THERE)
    assert claim(another, runner, home=THERE)
    another.close()
    return shown(running.id), shown(held.id)


@pytest.mark.slow
def test_what_another_machine_runs_and_holds_is_left_to_it_and_said(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.begin("until_told", "it")
        running, held = work_elsewhere(f"sqlite:///{server.journal}")
        (runner,) = runners_in(tmp_path)
        kill(runner)
        eventually(lambda: len(server.witnessed("began", "it")) == 2, f"ours is handed back; {server.output}")
        server.tell("it")
        states = {one.id: (one.state, one.attempt) for one in server.records()}
        assert (states[running], states[held]) == (("running", 1), ("held", 0))
        said = subprocess.run([OUTLAST, "status"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        assert elsewhere("host-2", 2) in said
