"""What is past keeping is forgotten by the user's settings, never by the defaults."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from outlast.system.liveness import Liveness
from outlast.system.place import Place
from outlast.tasks.task import Lane, NewTask, State
from tests.support.history import history_of
from tests.support.servers import eventually
from tests.support.turns import claim, done, opened, settle

LONG_AGO = 3 * 86_400.0  # seconds; `keep_done` is one day unless it is said otherwise


def test_a_runner_that_nobody_has_told_the_settings_forgets_nothing(tmp_path: Path) -> None:
    """Its web worker may die, or stop, before it has said hello."""
    path = tmp_path / ".outlast" / "journal.db"
    store_an_old_task(path)
    log = tmp_path / "runner.log"
    with log.open("wb") as output:
        subprocess.run([sys.executable, "-m", "outlast.runner", str(path)], stderr=output, check=True)
    liveness = Liveness(Place.of(path))
    eventually(lambda: "moves the tasks" in log.read_text(), "it listens to signals by then")
    runner = liveness.runner()
    assert runner
    os.kill(runner, signal.SIGTERM)
    eventually(lambda: liveness.runner() is None, "it has left in order")
    assert [record.state for record in history_of(path).tasks()] == ["done"]


def store_an_old_task(path: Path) -> None:
    journal, then = opened(f"sqlite:///{path}"), time.time() - LONG_AGO
    with journal.transaction():
        journal.tasks.add([NewTask(1, "main:ok", "{}", Lane.LOOP, State.WAITING, then, "GET /")], owner=0)
    settle(journal, *map(done, claim(journal, 0, now=then)), now=then)
    journal.close()
