"""A deploy brings code that does not know what waits: that is parked, with the reason, and runs after the roll-back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.support.marks import slow
from tests.support.processes import runners_in
from tests.support.servers import Server, eventually, serving

MAIN = """
import outlast
from fastapi import BackgroundTasks, FastAPI

import work

app = FastAPI()
outlast.install(app)


class Mailer:
    def send(self, name: str) -> None:
        work.witness(name)


mailer = Mailer()


def safely(function, name: str) -> None:
    function(name)


@app.get("/add/{what}")
async def add(what: str, tasks: BackgroundTasks):
    if what == "method":
        tasks.add_task(mailer.send, what)
    elif what == "passed":
        tasks.add_task(safely, work.greet, what)
    elif what == "numbered":
        tasks.add_task(work.numbered, what, 1)
    else:
        tasks.add_task(getattr(work, what), what)


@app.get("/ping")
async def ping():
    import os
    return os.getpid()
"""
WORK = """
def witness(name: str) -> None:
    with open("witness.log", "a") as file:
        file.write(f"ran {name}\\n")


def greet(name: str) -> None:
    witness(name)


async def bill(name: str) -> None:
    witness(name)


def numbered(name: str, number: int) -> None:
    witness(name)


def stays(name: str) -> None:
    witness(name)
"""
WITH_USER = (
    """
from fastapi import Depends, Request


def user_of(request: Request) -> str:
    return request.headers["user"]

"""
    + WORK
)
RENAMED = {"work.py": WORK.replace("greet", "welcome"), "main.py": MAIN.replace("work.greet", "work.welcome")}
KINDS: dict[str, tuple[Mapping[str, str], str, str]] = {
    "renamed": (RENAMED, "greet", "no 'greet'"),
    "moved": (
        {"work.py": WORK.replace("def greet", "def other"), "main.py": MAIN.replace("work.greet", "work.other")},
        "greet",
        "renamed or moved",
    ),
    "one parameter more": (
        {"work.py": WORK.replace("bill(name: str)", "bill(name: str, currency: str)")},
        "bill",
        "currency",
    ),
    "one parameter less": ({"work.py": WORK.replace("name: str, number: int", "name: str")}, "numbered", "number"),
    "a dependency that needs a request": (
        {"work.py": WITH_USER.replace("bill(name: str)", "bill(name: str, user: str = Depends(user_of))")},
        *("bill", "depends on `user_of`, which takes the request"),
    ),
    "another type": ({"work.py": WORK.replace("bill(name: str)", "bill(name: int)")}, "bill", "name"),
    "no such object": ({"main.py": MAIN.replace("mailer", "postman")}, "method", "no 'mailer'"),
    "no such method": ({"main.py": MAIN.replace("send", "deliver")}, "method", "no 'send'"),
    "passed function renamed": (RENAMED, "passed", "greet"),
    "a generator": (
        {"work.py": WORK.replace("greet(name: str) -> None:\n    witness", "greet(name: str):\n    yield witness")},
        *("greet", "generator function"),
    ),
    "an async generator": (
        {"work.py": WORK.replace("bill(name: str) -> None:\n    witness", "bill(name: str):\n    yield witness")},
        *("bill", "generator function"),
    ),
    "not callable": ({"work.py": WORK + "\n\ngreet = 'none'\n"}, "greet", "cannot be called"),
    "module gone": (
        {"work.py": "", "jobs.py": WORK, "main.py": MAIN.replace("import work", "import jobs as work")},
        "greet",
        "no 'greet'",
    ),
}

RARER = [kind for kind in KINDS if kind not in ("renamed", "one parameter more")]


def lay_out(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in {"main.py": MAIN, "work.py": WORK, **files}.items():
        (folder / name).write_text(text)


def states(server: Server) -> dict[str, str]:
    """Of each task, by what it was given last."""
    return {one.function: one.state for one in server.records()}


def outlast(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("outlast")), *words]
    return subprocess.run(command, cwd=server.folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["renamed", *slow("one parameter more", *RARER)])
def test_code_that_does_not_know_a_task_never_fails_it(kind: str, tmp_path: Path) -> None:
    files, task, why = KINDS[kind]
    lay_out(tmp_path, {})
    with serving("uvicorn", tmp_path, OUTLAST_RUNNER="off") as server:
        assert server.get(f"/add/{task}")[0] == 200
        eventually(server.records, "the task is stored")
        server.stop()
    lay_out(tmp_path, files)
    with serving("uvicorn", tmp_path, OUTLAST_LINGER="0") as server:
        server.get("/add/stays")
        eventually(lambda: set(states(server).values()) == {"parked", "done"}, f"parked: {server.records()}")
        eventually(lambda: "does not know it" in server.output, "the log says so")
        (parked,) = [one for one in server.records() if one.state == "parked"]
        assert why in parked.reason
        assert why in outlast(server, "status").stdout
        assert "runs as soon as code that knows it is here again" in outlast(server, "show", parked.id).stdout
        assert server.output.count("does not know it") == 1
        server.stop()
        eventually(lambda: not runners_in(tmp_path), "the runner leaves")
    lay_out(tmp_path, {})
    with serving("uvicorn", tmp_path) as server:
        server.wait_for("ran", task)
        eventually(lambda: set(states(server).values()) == {"done"}, f"{server.records()}")
        assert len(server.witnessed("ran", task)) == 1


def renew(server: Server) -> None:
    before = who_answers(server)
    os.kill(server.process.pid, signal.SIGHUP)
    eventually(lambda: who_answers(server) not in (None, before), "another web worker serves")


def who_answers(server: Server) -> str | None:
    """The pid of a web worker; None if there is none, or it has just gone."""
    with suppress(OSError, HTTPException):
        return server.get("/ping")[1]
    return None


def test_a_parked_task_runs_under_the_same_runner_when_its_code_comes_back(tmp_path: Path) -> None:
    """The module that is missing was never imported, so that no file that was has changed.

    While the only web worker is replaced, which on a busy machine takes long, the runner waits for the next one.
    """
    lay_out(tmp_path, {"extra.py": "import work\n\n\ndef late(name: str) -> None:\n    work.witness(name)\n"})
    (tmp_path / "main.py").write_text(MAIN.replace("getattr(work, what)", "__import__('extra').late"))
    with serving("gunicorn uvicorn_worker", tmp_path, OUTLAST_RUNNER="off") as server:
        server.get("/add/late")
        eventually(server.records, "the task is stored")
        server.stop()
    (tmp_path / "extra.py").rename(tmp_path / "extra.txt")
    with serving("gunicorn uvicorn_worker", tmp_path, OUTLAST_LINGER="600") as server:
        eventually(lambda: states(server) == {"extra:late": "parked"}, f"{server.records()}")
        runners = runners_in(tmp_path)
        (tmp_path / "extra.txt").rename(tmp_path / "extra.py")
        renew(server)
        server.wait_for("ran", "late")
        assert runners_in(tmp_path) == runners


def test_what_failed_runs_again_by_the_command_line(tmp_path: Path) -> None:
    broken = WORK.replace("def stays(name: str) -> None:\n", "def stays(name: str) -> None:\n    1 / 0\n")
    lay_out(tmp_path, {"work.py": broken})
    with serving("uvicorn", tmp_path) as server:
        for _ in range(3):
            server.get("/add/stays")
        eventually(lambda: [one.state for one in server.records()] == ["failed"] * 3, f"{server.records()}")
        first, _, third = (one.id for one in server.records())
        told = outlast(server, "retry", first, "--json")
        assert (told.returncode, json.loads(told.stdout)["counts"]) == (0, {"retried": 1, "refused": 0})
        eventually(lambda: [one.state for one in server.records()] == ["failed"] * 3, "it has failed again")
        assert [one.attempt for one in server.records()] == [2, 1, 1]
        assert outlast(server, "delete", third).returncode == 0
        told = outlast(server, "retry", "--yes", "--state", "failed", "--name", "stays")
        assert "2 tasks retried" in told.stdout
        eventually(lambda: [one.attempt for one in server.records()] == [3, 2], f"{server.records()}")
        assert outlast(server, "retry", third).returncode == 3
        assert outlast(server, "retry").returncode == 2


@pytest.mark.slow
def test_a_function_that_has_become_async_or_is_so_no_more_runs_as_it_is_now(tmp_path: Path) -> None:
    lay_out(tmp_path, {})
    with serving("uvicorn", tmp_path, OUTLAST_RUNNER="off") as server:
        for task in ("bill", "greet"):
            server.get(f"/add/{task}")
        eventually(lambda: len(server.records()) == 2, "the tasks are stored")
        server.stop()
    lay_out(tmp_path, {"work.py": WORK.replace("async def bill", "def bill").replace("def greet", "async def greet")})
    with serving("uvicorn", tmp_path) as server:
        eventually(lambda: set(states(server).values()) == {"done"}, f"{server.records()}")
        assert sorted(server.witnessed("ran")) == [["ran", "bill"], ["ran", "greet"]]
