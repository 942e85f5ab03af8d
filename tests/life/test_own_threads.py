"""Outlast's own threads, each killed in turn, or not given by the system: tasks finish, and nobody is started again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.marks import first_at_once
from tests.support.processes import kill, runners_in
from tests.support.servers import APP, Server, eventually, serving

MAIN = '''
import ctypes, threading, time
from pathlib import Path
from typing import Any

from fastapi import BackgroundTasks

import inner
from inner import TASKS, app, witness

MORE_THAN_THERE_IS = 1 << 50  # bytes of stack: the system gives no such thread


class Wound(BaseException):
    """No error that anybody would catch."""


def wound_thread(name: str) -> int:
    """Have it raised in a thread when that runs again."""
    idents = [one.ident for one in threading.enumerate() if one.name == name]
    for ident in idents:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(Wound))
    return len(idents)


def wound(name: str) -> None:
    """The same in a task process, once."""
    if not Path(f"{name}.wounded").exists():
        Path(f"{name}.wounded").touch()
        witness("wounded", name, wound_thread(name))


async def forbid_threads(name: str) -> None:
    threading.stack_size(MORE_THAN_THERE_IS)
    witness("ran", name)


async def allow_threads(name: str) -> None:
    threading.stack_size(0)
    witness("ran", name)


TASKS |= {one.__name__: one for one in (wound, forbid_threads, allow_threads)}


@app.get("/wound/{name}")
async def wound_here(name: str) -> int:
    return wound_thread(name)


@app.get("/block")
async def block() -> None:
    time.sleep(1.5)


@app.get("/threads/{allowed}")
async def threads(allowed: bool) -> None:
    threading.stack_size(0 if allowed else MORE_THAN_THERE_IS)
'''


@contextmanager
def vulnerable(folder: Path, **environment: str) -> Iterator[Server]:
    shutil.copy(APP, folder / "inner.py")
    (folder / "main.py").write_text(MAIN)
    with serving("uvicorn", folder, **environment) as server:
        yield server


def end_runner(server: Server) -> None:
    for pid in runners_in(server.folder):
        kill(pid)


def nothing_more(_server: Server) -> None:
    """The next task is enough."""


def block_loop(server: Server) -> None:
    server.get("/block")


STIRRED = {
    "outlast-writer": nothing_more,
    "outlast-connection": end_runner,
    "outlast-watch": block_loop,
}
"""What lets a thread of a web worker run again, besides another task."""


@pytest.mark.parametrize("thread", first_at_once(STIRRED))
def test_a_thread_that_is_killed_in_a_web_worker_goes_on(thread: str, tmp_path: Path) -> None:
    with vulnerable(tmp_path) as server:
        worker = server.add("ok", "before")
        server.wait_for("ran", "before")
        assert server.get(f"/wound/{thread}") == (200, "1")
        STIRRED[thread](server)
        assert server.add("ok", "after") == worker
        server.wait_for("ran", "after")
        eventually(server.all_settled, f"{server.records()} {server.output}")
        said = f"thread {thread} has met an error that outlast did not foresee: Wound"
        eventually(lambda: said in server.output, f"it says so; {server.output}")
        assert server.output.count(said) == 1
        server.get("/block")
        eventually(server.tells_of_a_stall, f"the watch goes on; {server.output}")
        end_runner(server)
        assert server.add("ok", "last") == worker
        server.wait_for("ran", "last")


@pytest.mark.parametrize("thread", first_at_once(["outlast-inbox", "outlast-outbox"]))
def test_a_task_process_that_has_lost_a_thread_ends_itself_and_its_tasks_run_again(thread: str, tmp_path: Path) -> None:
    with vulnerable(tmp_path) as server:
        server.add("until_told", "innocent")
        first = server.wait_for("began", "innocent")[2]
        server.add("wound", thread)
        server.wait_for("wounded", thread, "1")
        server.add("ok", "next")
        server.wait_for("ran", "next")
        eventually(lambda: len(server.witnessed("began", "innocent")) == 2, f"it runs again; {server.output}")
        server.tell("innocent")
        eventually(server.all_settled, f"{server.records()} {server.output}")
        assert {(one.state, one.crashes) for one in server.records()} == {("done", 0)}
        what = thread.removeprefix("outlast-")
        assert f"task process {first} was ended by outlast: its {what} failed: Wound" in server.output
        assert "os._exit()" not in server.output


def test_a_watch_that_is_killed_in_a_task_process_goes_on(tmp_path: Path) -> None:
    with vulnerable(tmp_path, OUTLAST_MAX_CHILDREN="1", OUTLAST_SPARES="0") as server:
        server.add("wound", "outlast-watch")
        server.wait_for("wounded", "outlast-watch", "1")
        for name in ("once", "twice"):
            server.add("block", name, 1.5)
            server.wait_for("ran", name)
        eventually(lambda: "thread outlast-watch has met" in server.output, f"it says so; {server.output}")
        eventually(server.tells_of_a_stall, f"and goes on; {server.output}")
        assert len({pid for _, _, pid in server.witnessed("began")}) == 1, "in one process"


def test_a_web_worker_that_is_given_no_thread_answers_503_until_it_is(tmp_path: Path) -> None:
    with vulnerable(tmp_path, OUTLAST_STORE_DEADLINE="0.5") as server:
        server.get("/threads/false")
        assert server.get("/add/ok/refused")[0] == 503
        eventually(lambda: "no thread can be started that writes to the journal" in server.output, server.output)
        server.get("/threads/true")
        eventually(lambda: server.get("/add/ok/later")[0] == 200, f"it is stored; {server.output}")
        server.wait_for("ran", "later")
        assert not server.witnessed("ran", "refused")


def test_a_task_process_that_is_given_no_thread_hands_back_what_needs_one(tmp_path: Path) -> None:
    with vulnerable(tmp_path, OUTLAST_MAX_CHILDREN="1", OUTLAST_SPARES="0") as server:
        server.add("forbid_threads", "forbidden")
        server.wait_for("ran", "forbidden")
        server.add("ok", "it")
        eventually(
            lambda: any("could start no thread for it" in one.reason for one in server.records()),
            f"it says so; {server.records()} {server.output}",
        )
        assert not server.witnessed("ran", "it")
        server.add("allow_threads", "allowed")
        server.wait_for("ran", "it")
        eventually(server.all_settled, f"{server.records()} {server.output}")
        assert {(one.state, one.crashes) for one in server.records()} == {("done", 0)}
