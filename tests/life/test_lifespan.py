"""The lifespan in task processes: when they enter it, what the user is told of it, and how to keep out of it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.life.captured import captured
from tests.support.servers import Server, eventually, free_port

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


def line_of(text: str, part: str) -> int:
    """In which line something stands."""
    return text[: text.index(part)].count("\n") + 1


def has_run(server: Server, name: str) -> None:
    server.add("ok", name)
    server.wait_for("ran", name)


@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_a_spare_process_enters_it_only_when_it_is_needed(tmp_path: Path, start: str) -> None:
    with captured("uvicorn", tmp_path, OUTLAST_CHILD_START=start) as capture:
        server = capture.server
        has_run(server, "first")
        eventually(lambda: server.output.count("is there after") == 2, f"a spare one comes, too; {server.output}")
        (web,), (child,) = server.witnessed("opened")[0][1:], server.witnessed("ran", "first")[0][2:]
        assert server.witnessed("opened") == [["opened", web], ["opened", child]]
        server.tell("alone")
        server.add("isolated", "alone")
        _, _, apart = server.wait_for("ran", "alone")
        assert server.witnessed("opened")[2:] == [["opened", apart]]


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
