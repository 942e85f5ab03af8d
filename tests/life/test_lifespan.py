"""The lifespan in task processes: when they enter it, what the user is told of it, and how to keep out of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.life.captured import captured
from tests.support.history import history_of
from tests.support.lines import line_of
from tests.support.marks import slow
from tests.support.servers import WITH_SPARE, Server, eventually, free_port

OUTLAST = str(Path(sys.executable).with_name("outlast"))
TOP = """
import asyncio
import os
import socket
import subprocess
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path

import outlast
from fastapi import BackgroundTasks, FastAPI


def witness(*words):
    with open("witness.log", "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")


def ok(name):
    witness("ran", name, os.getpid())

"""
END = """

@app.get("/ping")
async def ping():
    return os.getpid()


@app.get("/add/ok/{name}")
async def add(name: str, tasks: BackgroundTasks):
    tasks.add_task(ok, name)
    return os.getpid()


outlast.install(app)
"""
APP = "app = FastAPI(lifespan=lifespan)\n"


def written(folder: Path, middle: str, app: str = APP) -> str:
    """The file of an app with this code in its middle; returns it."""
    text = TOP + dedent(middle) + app + END
    (folder / "main.py").write_text(text)
    return text


def said_by_outlast(server: Server, *words: str) -> str:
    return subprocess.run([OUTLAST, *words], cwd=server.folder, capture_output=True, text=True, check=True).stdout


def stood_still(server: Server) -> bool:
    """Whether a task process did, as where the machine has no processor for it: a spare one takes its place then."""
    return "the event loop of task process" in server.output


def all_say(server: Server, why: str) -> None:
    """Commands have it from the runner, whose answer may be too late while the machine is busy."""
    for words in (["list"], ["show", server.records()[0].id], ["status"]):
        comes_to_say(server, why, *words)


def comes_to_say(server: Server, why: str, *words: str) -> None:
    eventually(lambda: why in said_by_outlast(server, *words), f"{words} says {why!r}")


def has_run(server: Server, name: str) -> None:
    server.add("ok", name)
    server.wait_for("ran", name)


@pytest.mark.slow
@pytest.mark.parametrize("start", ["spawn", *slow("fork")])
def test_a_spare_process_enters_it_only_when_it_is_needed(tmp_path: Path, start: str) -> None:
    with captured("uvicorn", tmp_path, OUTLAST_CHILD_START=start, **WITH_SPARE) as capture:
        server = capture.server
        has_run(server, "first")
        eventually(lambda: server.output.count("is there after") >= 2, f"a spare one comes, too; {server.output}")
        (web,), (child,) = server.witnessed("opened")[0][1:], server.witnessed("ran", "first")[0][2:]
        eventually(lambda: opened(server) == [web, child] or stood_still(server), server.output)
        before = opened(server)
        server.tell("alone")
        server.add("isolated", "alone")
        _, _, apart = server.wait_for("ran", "alone")
        eventually(lambda: opened(server) == [*before, apart] or stood_still(server), server.output)


def opened(server: Server) -> list[str]:
    """Pids of those that have entered the lifespan."""
    return [pid for _, pid in server.witnessed("opened")]


def test_code_can_ask_whether_it_is_in_a_task_process_also_while_it_is_imported(tmp_path: Path) -> None:
    middle = """
    witness("imported", os.getpid(), outlast.in_task_process())


    @asynccontextmanager
    async def lifespan(app):
        witness("entered", os.getpid(), outlast.in_task_process())
        yield

    """
    written(tmp_path, middle)
    with captured("uvicorn", tmp_path) as capture:
        has_run(capture.server, "it")
        (child,) = capture.server.witnessed("ran", "it")[0][2:]
        for when in ("imported", "entered"):
            answers = {pid: answer for _, pid, answer in capture.server.witnessed(when)}
            assert answers.pop(child) == "True"
            assert answers.pop(str(capture.server.process.pid)) == "False"


def test_what_a_lifespan_raises_is_told_once_with_its_line_and_the_remedy(tmp_path: Path) -> None:
    middle = """
    @asynccontextmanager
    async def lifespan(app):
        bound = socket.create_server(("127.0.0.1", int(os.environ["METRICS"])))
        yield
        bound.close()

    """
    text = written(tmp_path, middle)
    with captured("uvicorn", tmp_path, METRICS=str(free_port())) as capture:
        server = capture.server
        server.add("ok", "it")
        eventually(lambda: "task processes cannot start" in server.output, f"it is said; {server.output}")
        (told,) = [line for line in server.output.splitlines() if "cannot start" in line]
        assert "cannot start: the lifespan of main:app raised OSError: [Errno" in told
        assert f"(main.py:{line_of(text, 'bound = ')}). If" in told
        assert "`if not outlast.in_task_process():`, or set child_lifespan" in told
        assert server.output.count("Traceback") == 1
        all_say(server, "the lifespan of main:app raised OSError")


STARTS = {
    "a task": ("task = asyncio.create_task(tick())", "tick (main.py:{tick}) as an asyncio task"),
    "a task in a wrapper": (
        "task = asyncio.create_task(asyncio.wait_for(tick(), 999))",
        "tick (main.py:{tick}) as an asyncio task",
    ),
    "a thread": ("threading.Thread(target=tock, daemon=True).start()", "tock (main.py:{tock}) as a thread"),
    "a timer": ("asyncio.get_running_loop().call_later(999, tock)", "tock (main.py:{tock}) as a timer"),
    "a timer's thread": (
        "timer = threading.Timer(999, tock); timer.daemon = True; timer.start()",
        "tock (main.py:{tock}) as a thread",
    ),
    "a socket": ("listens = socket.create_server(('127.0.0.1', 0))", "a socket that listens at 127.0.0.1:"),
    "a pool's thread": ("ThreadPoolExecutor(1).submit(tock)", "tock (main.py:{tock}) as a thread"),
    "a wait in a pool's thread": (
        "asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)",
        "threading.Event.wait as a thread",
    ),
    "datagrams": (
        "port = await asyncio.get_running_loop().create_datagram_endpoint(\n"
        "        asyncio.DatagramProtocol, ('127.0.0.1', 0), reuse_port=True\n    )",
        "a socket that listens at 127.0.0.1:",
    ),
    "a process": ("process = subprocess.Popen(['sleep', '999'])", "the process `sleep 999`"),
    "a process of Python": (
        "multiprocessing.get_context('fork').Process(target=tock, daemon=True).start()",
        "the process ForkProcess-1 of multiprocessing",
    ),
}
RARER = [what for what in STARTS if what not in ("a task", "a thread")]
FUNCTIONS = """
import multiprocessing
from concurrent.futures import ThreadPoolExecutor


async def tick():
    while True:
        await asyncio.sleep(999)


def tock():
    while True:
        time.sleep(999)


"""


@pytest.mark.parametrize("what", ["a task", *slow("a thread", *RARER)])
def test_what_the_lifespan_starts_is_told_once_with_its_place_and_the_remedy(what: str, tmp_path: Path) -> None:
    statement, told = STARTS[what]
    lifespan = f"@asynccontextmanager\nasync def lifespan(app):\n    {statement}\n    yield\n\n"
    text = written(tmp_path, FUNCTIONS + lifespan)
    lines = {name: line_of(text, f"def {name}") for name in ("tick", "tock")}
    with captured("uvicorn", tmp_path, **WITH_SPARE) as capture:
        server = capture.server
        has_run(server, "it")
        eventually(lambda: server.output.count("is there after") >= 2, f"a spare one comes, too; {server.output}")
        (line,) = [line for line in server.output.splitlines() if "has started" in line]
        assert f"the lifespan of main:app has started {told.format(**lines)}" in line
        assert "guard it with `if not outlast.in_task_process():`, or set child_lifespan" in line


def test_what_the_import_starts_is_told_once(tmp_path: Path) -> None:
    statement = "threading.Thread(target=tock, daemon=True).start()\n\n"
    text = written(tmp_path, FUNCTIONS + statement, app="app = FastAPI()\n")
    with captured("uvicorn", tmp_path, **WITH_SPARE) as capture:
        server = capture.server
        has_run(server, "it")
        eventually(lambda: server.output.count("is there after") >= 2, f"a spare one comes, too; {server.output}")
        (line,) = [line for line in server.output.splitlines() if "has started" in line]
        assert f"importing main:app has started tock (main.py:{line_of(text, 'def tock')}) as a thread" in line
        assert "guard it with `if not outlast.in_task_process():`" in line


def test_what_is_guarded_or_works_for_this_process_alone_is_not_told(tmp_path: Path) -> None:
    middle = """
    async def tick():
        await asyncio.sleep(999)


    async def warm():
        await asyncio.sleep(0)


    @asynccontextmanager
    async def lifespan(app):
        if not outlast.in_task_process():
            ticker = asyncio.create_task(tick())
        await asyncio.create_task(warm())
        await asyncio.to_thread(len, "")
        yield

    """
    written(tmp_path, middle)
    with captured("uvicorn", tmp_path) as capture:
        server = capture.server
        has_run(server, "it")
        assert "takes tasks" in server.output
        assert "has started" not in server.output


@pytest.mark.slow
def test_where_there_is_a_journal_the_first_process_enters_it_when_the_server_starts(tmp_path: Path) -> None:
    with captured("uvicorn", tmp_path) as capture:
        has_run(capture.server, "it")
        eventually(capture.server.all_settled, "nothing is left to do")
    (tmp_path / "witness.log").unlink()
    with captured("uvicorn", tmp_path) as capture:
        eventually(lambda: len(capture.server.witnessed("opened")) == 2, f"{capture.server.output}")


def test_a_lifespan_that_blocks_keeps_nobody_waiting_and_is_not_told_as_a_blocked_loop(tmp_path: Path) -> None:
    middle = """
    @asynccontextmanager
    async def lifespan(app):
        time.sleep(1.5)
        yield

    """
    written(tmp_path, middle)
    with captured("uvicorn", tmp_path, OUTLAST_STALL_AFTER="0.5") as capture:
        has_run(capture.server, "it")
        told = [one.sentence for one in history_of(capture.server.journal).incidents()]
        told += [one for one in capture.server.output.splitlines() if "blocked for" in one]
        assert not [one for one in told if "time.sleep" in one or "lifespan" in one], told


def test_what_import_and_lifespan_do_and_leave_no_trace_of_is_told(tmp_path: Path) -> None:
    """Of the lifespan before it is entered."""
    middle = """
    import shutil

    for file in Path("cache").glob("*"):
        file.unlink()


    def empty_uploads():
        shutil.rmtree("uploads", ignore_errors=True)


    @asynccontextmanager
    async def lifespan(app):
        empty_uploads()
        yield

    """
    text = written(tmp_path, middle)
    with captured("uvicorn", tmp_path) as capture:
        has_run(capture.server, "it")
        lines = capture.server.output.splitlines()
        at_import, told = (number for number, line in enumerate(lines) if "removes files" in line)
        where = f"(file.unlink()) in main.py:{line_of(text, 'file.unlink')}"
        assert f"importing main:app removes files {where}, and does so in each task process, spare" in lines[at_import]
        place = f"main.py:{line_of(text, 'shutil.rmtree')}"
        assert f"(shutil.rmtree('uploads', ignore_errors=True)) in {place}, and does so in each task" in lines[told]
        assert "guard it with `if not outlast.in_task_process():`, or set child_lifespan" in lines[told]
        assert told < next(number for number, line in enumerate(lines) if "has entered the lifespan" in line)


def test_a_server_that_was_told_to_enter_none_has_task_processes_that_enter_none(tmp_path: Path) -> None:
    with captured("uvicorn", tmp_path, "--lifespan", "off") as capture:
        has_run(capture.server, "it")
        assert capture.server.witnessed("opened") == []
        assert "has entered the lifespan" not in capture.server.output


def test_of_a_mounted_app_the_lifespan_of_what_the_server_serves_is_entered(tmp_path: Path) -> None:
    middle = """
    def lifespan_of(name):
        @asynccontextmanager
        async def lifespan(app):
            witness("entered", name, os.getpid())
            yield
        return lifespan


    app = FastAPI(lifespan=lifespan_of("mounted"))
    """
    text = written(tmp_path, middle, app="")
    outer = '\n\nserved = FastAPI(lifespan=lifespan_of("outer"))\nserved.mount("/", app)\n'
    (tmp_path / "main.py").write_text(text.replace("outlast.install(app)", "outlast.install(app)" + outer))
    with captured("uvicorn main:served", tmp_path) as capture:
        server = capture.server
        has_run(server, "it")
        (child,) = server.witnessed("ran", "it")[0][2:]
        assert ["entered", "outer", child] in server.witnessed("entered")
        assert server.witnessed("entered", "mounted") == []
