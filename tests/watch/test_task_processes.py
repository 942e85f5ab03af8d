"""Every way to block or end a task process: what the runner says of it, at once."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlast.watch.incident import IncidentKind
from tests.support.cgroups import memory_cgroup
from tests.support.history import history_of
from tests.support.marks import first_at_once, slow
from tests.support.processes import give_processor, hold_still
from tests.support.servers import Server, eventually, serving
from tests.watch.test_web_workers import APP, CALLS, forget, reached, wait_for_sentence

ENDS = {
    "in_a_segfault": r"was killed by SIGSEGV \(Segmentation fault\), in in_a_segfault \(main\.py:\d+\)",
    "in_an_exit": r"exited with status 7 in the middle of its work: something called os\._exit\(\)",
    "SIGKILL": r"was killed by SIGKILL from outside: not by outlast, and not for want of memory",
}
ENDED = "was ended by outlast: it had closed its connection to the runner and lived on"
HANGS_UP = {
    "in_a_sleep_after_hanging_up": f"(ended itself, since its connection to the runner was closed|{ENDED})",
    "in_c_after_hanging_up": ENDED,
}
"""One that sleeps hears it, if it has a processor."""
INNOCENT = r"task \w+ main:innocent \([\d.]+ s: runs again, not counted against it\)"


@pytest.fixture
def stall_limit() -> str:
    """Later than anything that happens in a test, unless it wants it otherwise."""
    return "600"


@pytest.fixture
def server(tmp_path: Path, stall_limit: str) -> Iterator[Server]:
    """A new one each time: a function that has blocked once runs alone from then on."""
    shutil.copy(APP, tmp_path / "main.py")
    with serving("uvicorn", tmp_path, OUTLAST_STALL_LIMIT=stall_limit, OUTLAST_MAX_CRASHES="1") as server:
        yield server


def innocent_in(server: Server, seconds: float = 600.0) -> int:
    """The pid of the task process in which an innocent task runs for so long."""
    forget(server)
    server.get(f"/innocent?seconds={seconds}")
    return reached(server, "innocent")


@pytest.mark.parametrize("way", ["in_a_loop", *slow("in_a_sleep", "in_a_socket_read")])
def test_who_blocks_the_loop_of_a_task_process_is_named_while_it_does(server: Server, way: str) -> None:
    child = innocent_in(server)
    server.get(f"/task?way={way}")
    assert reached(server, "culprit") == child, server.output
    by = rf"by {way} \(main\.py:\d+\) in {CALLS[way]}, for task \w+ main:culprit"
    wait_for_sentence(
        server,
        rf"the event loop of task process {child} has been blocked for [\d.]+ s {by}: no other task goes on there "
        r"meanwhile; new tasks go to another process; running in this one: ",
    )
    os.kill(child, signal.SIGKILL)
    wait_for_sentence(
        server,
        rf"task process {child} was killed by SIGKILL from outside: .*; its event loop had been blocked for [\d.]+ s "
        rf"{by}; in flight: {INNOCENT}; task \w+ main:culprit \([\d.]+ s: runs again, not counted against it\)",
    )


@pytest.mark.slow
@pytest.mark.parametrize("stall_limit", ["10"])
@pytest.mark.parametrize("way", ["in_c", *slow("in_a_regex")])
def test_who_holds_the_lock_of_a_task_process_is_asked_by_a_signal(server: Server, way: str) -> None:
    child = innocent_in(server)
    give_processor(child)  # who is kept from running is not asked
    server.get(f"/task?way={way}")
    assert reached(server, "culprit") == child, server.output
    wait_for_sentence(
        server,
        rf"no thread of task process {child} has run Python for [\d.]+ s: C code holds the interpreter's lock, "
        rf"in {way} \(main\.py:\d+\)",
    )
    wait_for_sentence(
        server,
        rf"task process {child} was ended by outlast: it was silent for [\d.]+ s, since something in it held the "
        rf"interpreter's lock; the interpreter's lock had been held for [\d.]+ s by {way} \(main\.py:\d+\); in flight",
    )


@pytest.mark.slow
def test_a_process_whose_handlers_were_reset_is_not_asked_by_a_signal_that_would_end_it(server: Server) -> None:
    child = innocent_in(server, seconds=8.0)
    server.get("/task?way=in_c_without_handlers")
    assert reached(server, "culprit") == child, server.output
    eventually(server.all_settled, server.output)
    assert {record.function: (record.state, record.attempt) for record in server.records()} == {
        "main:innocent": ("done", 1),
        "main:culprit": ("done", 1),
    }


@pytest.mark.slow
@pytest.mark.parametrize("stall_limit", ["6"])
def test_a_stopped_task_process_is_said_to_be_stopped(server: Server) -> None:
    child = innocent_in(server)
    hold_still(child)
    wait_for_sentence(
        server,
        rf"task process {child} has been stopped for [\d.]+ s \(SIGSTOP, \^Z or a debugger\): nothing in it goes on "
        rf"until somebody lets it \(kill -CONT {child}\)",
    )
    wait_for_sentence(
        server,
        rf"task process {child} was ended by outlast: it was silent for [\d.]+ s, since a signal had stopped it",
    )


@pytest.mark.parametrize("way", first_at_once(HANGS_UP))
def test_one_that_has_hung_up_is_not_said_to_be_killed_from_outside(server: Server, way: str) -> None:
    child = innocent_in(server)
    server.get(f"/task?way={way}")
    assert reached(server, "culprit") == child, server.output
    wait_for_sentence(server, rf"task process {child} {HANGS_UP[way]}.*; in flight: {INNOCENT}")


@pytest.mark.parametrize("way", first_at_once(ENDS))
def test_what_a_task_process_died_of_is_said_at_once(server: Server, way: str) -> None:
    child = innocent_in(server)
    if way == "SIGKILL":
        os.kill(child, signal.SIGKILL)
        wait_for_sentence(server, rf"task process {child} {ENDS[way]}; in flight: task \w+ main:innocent")
    else:
        server.get(f"/task?way={way}")
        assert reached(server, "culprit") == child, server.output
        wait_for_sentence(server, rf"task process {child} {ENDS[way]}; in flight: .*task \w+ main:culprit")


@pytest.mark.slow
def test_a_task_process_that_the_kernel_ended_for_want_of_memory(tmp_path: Path) -> None:
    shutil.copy(APP, tmp_path / "main.py")
    with memory_cgroup(900 << 20) as cgroup, serving("uvicorn", tmp_path, OUTLAST_MAX_CRASHES="1") as server:
        (cgroup / "cgroup.procs").write_text(str(server.process.pid))  # what it starts from now on is in it, too
        child = innocent_in(server, seconds=8.0)
        server.get("/task?way=in_too_much_memory")
        wait_for_sentence(
            server,
            rf"task process {child} was killed by the kernel since memory had run out \(SIGKILL, and the count of OOM "
            r"kills has risen\).*; in flight: .*main:culprit",
        )
        eventually(server.all_settled, f"{server.records()}\n{server.output[-3000:]}")
        ends = {record.function: record.state for record in server.records()}
        assert ends == {"main:innocent": "done", "main:culprit": "failed"}
        assert any("memory had run out" in record.reason for record in server.records())
        assert server.answers()


@pytest.mark.slow
def test_what_was_said_can_be_explained_later(server: Server) -> None:
    child = innocent_in(server)
    server.get("/task?way=in_a_segfault")
    wait_for_sentence(server, rf"task process {child} {ENDS['in_a_segfault']}")
    eventually(lambda: "SIGSEGV" in explained(server), "it is in the journal")
    whole = explained(server, incident_of(server, f"task process {child} "))
    assert "Fatal Python error: Segmentation fault" in whole
    assert re.search(r"main:innocent", whole), whole


@pytest.mark.slow
def test_a_runner_that_was_killed_is_an_incident_and_the_boxes_of_its_task_processes_are_gone(server: Server) -> None:
    child = innocent_in(server)
    (runner,) = server.living("runner")
    old = set(server.journal.parent.glob("child-*"))
    assert old
    os.kill(runner, signal.SIGKILL)
    eventually(lambda: server.living("runner") not in ([], [runner]), "another runner comes")
    eventually(lambda: f"runner {runner} died" in explained(server), "it is in the journal")
    assert "main:innocent" in explained(server, incident_of(server, f"runner {runner} died"))
    eventually(lambda: not old & set(server.journal.parent.glob("child-*")), f"the box of {child} is gone")


def incident_of(server: Server, word: str) -> str:
    """The id of the death with this in its sentence: who was starved before may be told of, too."""
    found = history_of(server.journal).incidents()
    return str(next(one.id for one in found if one.kind == IncidentKind.DEATH and word in one.sentence))


def explained(server: Server, *which: str) -> str:
    asked = [str(Path(sys.executable).with_name("outlast")), "explain", *which]
    return subprocess.run(asked, cwd=server.folder, capture_output=True, text=True, check=True).stdout
