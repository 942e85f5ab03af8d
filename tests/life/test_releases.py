"""Several apps and releases with one journal: each task runs in its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.life.captured import captured
from tests.support.marks import slow
from tests.support.processes import runners_in
from tests.support.servers import Server, eventually, is_alive

MAIN = """
import os
from pathlib import Path
from fastapi import BackgroundTasks, FastAPI
import outlast

WITNESS = Path(os.environ["WITNESS"])

def make():
    app = FastAPI()
    outlast.install(app)

    @app.get("/ping")
    async def ping() -> int:
        return os.getpid()

    @app.get("/add/{{task}}/{{name}}")
    async def add(task: str, name: str, background_tasks: BackgroundTasks) -> int:
        background_tasks.add_task(globals()[task], name)
        return os.getpid()

    return app

def note(name: str) -> None:
    with WITNESS.open("a") as file:
        file.write(f"{{name}} {release}\\n")
{more}
app = make()
"""
ONLY_NEW = """
def fresh(name: str) -> None:
    note(name)
"""
GUNICORN = "gunicorn uvicorn_worker"


def deploy(folder: Path, release: str, more: str = "", module: str = "main") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(MAIN.format(release=release, more=more))
    return folder


@contextmanager
def serving(folder: Path, base: Path, kind: str = GUNICORN, **more: str) -> Iterator[Server]:
    """A server of the release in `folder`, with the journal of all of them."""
    given = {"OUTLAST_URL": f"sqlite:///{base}/shared/tasks.db", "WITNESS": str(base / "witness.log"), **more}
    with captured(kind, folder, **given) as capture:
        capture.server.journal = base / "shared" / "tasks.db"
        yield capture.server


def ran(base: Path, name: str) -> str:
    """The release whose code ran a task."""
    found: list[str] = []

    def is_there() -> bool:
        lines = (base / "witness.log").read_text().splitlines() if (base / "witness.log").exists() else []
        found[:] = [line.split()[1] for line in lines if line.split()[0] == name]
        return bool(found)

    eventually(is_there, f"{name} has run")
    assert len(found) == 1
    return found[0]


def recycle(server: Server) -> None:
    """Let another web worker take the place of the one that is there."""
    before = int(server.get("/ping")[1])
    os.kill(server.process.pid, signal.SIGHUP)
    eventually(lambda: not is_alive(before) and server.answers(), "another web worker answers")


def end_runner(*folders: Path) -> None:
    """By SIGKILL; whichever web worker finds out first starts another one."""
    (runner,) = {pid for folder in folders for pid in runners_in(folder)}
    os.kill(runner, signal.SIGKILL)


@pytest.mark.parametrize("change", ["recycled", *slow("runner")])
def test_blue_and_green_run_their_own_code_whatever_starts_again(change: str, tmp_path: Path) -> None:
    blue, green = deploy(tmp_path / "blue", "blue"), deploy(tmp_path / "green", "green", ONLY_NEW)
    with serving(blue, tmp_path) as old, serving(green, tmp_path) as new:
        old.add("note", "b1")
        new.add("fresh", "g1")
        assert (ran(tmp_path, "b1"), ran(tmp_path, "g1")) == ("blue", "green")
        if change == "runner":
            end_runner(blue, green)
        else:
            recycle(old)
        for number in range(2, 5):
            old.add("note", f"b{number}")
            new.add("note", f"n{number}")
            new.add("fresh", f"g{number}")
        assert {ran(tmp_path, f"b{number}") for number in range(2, 5)} == {"blue"}
        assert {ran(tmp_path, f"{one}{number}") for one in "ng" for number in range(2, 5)} == {"green"}
        eventually(old.all_settled, "all have ended")
        assert {record.state for record in old.records()} == {"done"}
        assert len({(record.app, record.release) for record in old.records()}) == 2


def test_two_apps_in_one_folder_never_run_each_others_tasks(tmp_path: Path) -> None:
    deploy(tmp_path, "shop", module="main")
    witness = str(tmp_path / "witness.log")
    (tmp_path / "admin.py").write_text(MAIN.format(release="admin", more=""))
    with (
        captured("uvicorn", tmp_path, WITNESS=witness) as shop,
        captured("uvicorn admin", tmp_path, WITNESS=witness) as admin,
    ):
        for number in range(3):
            shop.server.add("note", f"s{number}")
            admin.server.add("note", f"a{number}")
        assert {ran(tmp_path, f"s{number}") for number in range(3)} == {"shop"}
        assert {ran(tmp_path, f"a{number}") for number in range(3)} == {"admin"}
        assert {record.app for record in shop.server.records()} == {"main:app", "admin:app"}
