"""The wall clock set forth and back by an hour while everything runs.

By a `sitecustomize` of the tests, which every Python process imports at its start: web worker, runner and task
processes all inherit PYTHONPATH. A time namespace does not cover the wall clock, libfaketime is not everywhere, and a
library of our own for LD_PRELOAD needs a compiler; setting the machine's clock would disturb all else that runs on it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.support
from outlast.journal.read import Record
from tests.support.processes import kill, runners_in
from tests.support.servers import Server, eventually, is_alive, serving

HOUR = 3600
CLOCK = Path(tests.support.__file__).with_name("clock")
OUTLAST = str(Path(sys.executable).with_name("outlast"))


def set_clock(folder: Path, seconds: int) -> None:
    """Let the clock of all that runs in `folder` be so many seconds off."""
    link = folder / "clock.new"
    link.symlink_to(str(seconds))
    link.replace(folder / "clock")


def variables(folder: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(CLOCK), "SET_CLOCK": str(folder / "clock")}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    set_clock(tmp_path, 0)
    with serving("gunicorn uvicorn_worker", tmp_path, OUTLAST_KEEP_DONE_COUNT="5", **variables(tmp_path)) as server:
        yield server


def named(server: Server, name: str) -> Record:
    return next(one for one in server.records() if f'"{name}"' in one.arguments)


def names_by_id(server: Server) -> list[str]:
    return [one.arguments.split('"')[3] for one in sorted(server.records(), key=lambda one: one.id)]


def test_tasks_run_at_once_and_in_order_whatever_the_clock_says(server: Server) -> None:
    for name, hours in (("now", 0), ("forth", 1), ("back", -1), ("again", 1), ("end", 0)):
        set_clock(server.folder, hours * HOUR)
        server.add("tell_time", name)
        seen = int(server.wait_for("time", name)[2])
        assert abs(seen - time.time() - hours * HOUR) < HOUR / 2, "the clock is set in task processes"
        eventually(lambda name=name: named(server, name).state == "done", "it is done")  # type: ignore[misc]
        started_at = named(server, name).started_at or 0.0
        assert abs(started_at - time.time() - hours * HOUR) < HOUR / 2, "and in the runner"
        assert abs(named(server, name).created_at - time.time() - hours * HOUR) < HOUR / 2, "and in the web worker"
    assert names_by_id(server) == ["now", "forth", "back", "again", "end"], "ids rise in the order of adding"


@pytest.mark.slow
def test_no_duration_is_negative(server: Server) -> None:
    set_clock(server.folder, HOUR)
    for name in ("ends", "stays"):
        server.add("until_told", name)
        server.wait_for("began", name)
    set_clock(server.folder, -HOUR)
    server.tell("ends")
    eventually(lambda: named(server, "ends").state == "done", "it is done")
    for command in (["list"], ["status"], ["show", named(server, "ends").id]):
        environment = os.environ | variables(server.folder)
        shown = subprocess.run(
            [OUTLAST, *command], cwd=server.folder, env=environment, capture_output=True, text=True, check=True
        ).stdout
        assert not re.search(r"-\d[\d.]* s", shown), shown
    ended = named(server, "ends")
    assert (ended.ended_at or 0.0) >= (ended.started_at or 0.0)
    server.tell("stays")
    eventually(server.all_settled, "both have ended")


@pytest.mark.slow
def test_processes_that_start_after_the_clock_was_set_back_go_on_and_forget_the_oldest(server: Server) -> None:
    set_clock(server.folder, HOUR)
    for number in range(6):
        server.add("ok", f"old{number}")
    eventually(server.all_settled, "all have ended")
    set_clock(server.folder, 0)
    worker = int(server.get("/ping")[1])
    for pid in [worker, *runners_in(server.folder)]:
        kill(pid)
    eventually(lambda: server.answers() and not is_alive(worker), "another worker answers")
    for name in ("first", "new0", "new1", "new2"):
        server.add("ok", name)
        server.wait_for("ran", name)
    eventually(server.all_settled, "all have ended")
    let_it_forget(server)
    kept = [name for name in names_by_id(server) if name != "first"]  # it may be added before the journal is read
    assert kept[-4:] == ["old5", "new0", "new1", "new2"], "the newest"


def let_it_forget(server: Server) -> None:
    """A runner looks for what is past keeping as soon as it writes for the first time: let another one start."""
    (runner,) = server.living("runner")
    kill(runner)
    eventually(lambda: len(server.records()) == 5, f"what is past keeping is forgotten; {names_by_id(server)}")
