"""Several apps and releases with one journal: each task runs in its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.life.captured import captured
from tests.support.lines import whole_lines
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
HOLDS = """
import time

def hold(name: str) -> None:
    (WITNESS.parent / f"{name}.began").touch()
    while not (WITNESS.parent / f"{name}.told").exists():
        time.sleep(0.02)
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
        lines = whole_lines(base / "witness.log")
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
    """By SIGKILL; whichever web worker finds out first starts another one.

    Each server starts one where there is none yet, and all but one of these leave at once.
    """
    found: set[int] = set()

    def is_one() -> bool:
        found.clear()
        found.update(pid for folder in folders for pid in runners_in(folder))
        return len(found) == 1

    eventually(is_one, f"one runner: {found}")
    os.kill(found.pop(), signal.SIGKILL)


@pytest.mark.slow
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


def hold(server: Server, base: Path, name: str) -> None:
    """Have a task run that ends when it is told to."""
    server.add("hold", name)
    eventually((base / f"{name}.began").exists, f"{name} runs; {server.output}")


def all_done(server: Server) -> bool:
    return {record.state for record in server.records()} == {"done"}


@pytest.mark.slow
def test_what_a_release_leaves_behind_goes_to_the_newest_that_knows_it(tmp_path: Path) -> None:
    """No task runs before its own release has gone, since that says no hello; the newest of all is heard first."""
    releases = {"blue": ONLY_NEW, "green": ONLY_NEW, "red": ""}
    blue, green, red = (deploy(tmp_path / name, name, more) for name, more in releases.items())
    for age, folder in enumerate((red, green, blue)):
        os.utime(folder / "main.py", (1_700_000_000 - age,) * 2)
    with serving(red, tmp_path) as newest, serving(green, tmp_path) as newer:
        newest.add("note", "r1")
        newer.add("note", "g1")
        assert (ran(tmp_path, "r1"), ran(tmp_path, "g1")) == ("red", "green")
        with serving(blue, tmp_path, OUTLAST_RUNNER="off") as oldest:
            oldest.add("note", "b1")
            oldest.add("fresh", "b2")
            oldest.stop()
        assert (ran(tmp_path, "b1"), ran(tmp_path, "b2")) == ("red", "green")
        eventually(lambda: all_done(newest), f"{newest.records()}")


@pytest.mark.slow
@pytest.mark.parametrize("change", ["none", "recycled", "runner"])
def test_three_releases_at_once_run_their_own_tasks(change: str, tmp_path: Path) -> None:
    names = ("blue", "green", "red")
    folders = [deploy(tmp_path / name, name) for name in names]
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(tmp_path / name, tmp_path)) for name in names}
        for name, server in servers.items():
            server.add("note", f"{name}-early")
        assert [ran(tmp_path, f"{name}-early") for name in names] == list(names)
        if change == "runner":
            end_runner(*folders)
        elif change == "recycled":
            recycle(servers["green"])
        for number in range(3):
            for name, server in servers.items():
                server.add("note", f"{name}-{number}")
        for name in names:
            assert {ran(tmp_path, f"{name}-{number}") for number in range(3)} == {name}
        eventually(lambda: all_done(server), f"{server.records()}")
        assert len({record.release for record in server.records()}) == 3


@pytest.mark.slow
def test_a_runner_that_dies_in_the_middle_of_blue_and_green_has_each_run_again_in_its_own(tmp_path: Path) -> None:
    blue, green = deploy(tmp_path / "blue", "blue", HOLDS), deploy(tmp_path / "green", "green", HOLDS)
    with serving(blue, tmp_path) as old, serving(green, tmp_path) as new:
        for server, name in ((old, "b"), (new, "g")):
            hold(server, tmp_path, name)
            (tmp_path / f"{name}.began").unlink()
        end_runner(blue, green)
        for name in "bg":  # before, the one that is cut could still come to its end
            eventually((tmp_path / f"{name}.began").exists, f"{name} runs again; {old.output}")
            (tmp_path / f"{name}.told").touch()
        assert (ran(tmp_path, "b"), ran(tmp_path, "g")) == ("blue", "green")
        eventually(lambda: all_done(old), f"{old.records()}")
        assert [record.attempt for record in old.records()] == [2, 2]


@pytest.mark.slow
def test_a_roll_back_in_the_middle_cuts_nothing_and_each_ends_in_the_code_it_began_in(tmp_path: Path) -> None:
    folder = deploy(tmp_path / "app", "blue", HOLDS)
    with serving(folder, tmp_path, OUTLAST_LINGER="600", OUTLAST_DRAIN="600") as server:
        hold(server, tmp_path, "b1")
        deploy(folder, "green", HOLDS + ONLY_NEW)
        recycle(server)
        hold(server, tmp_path, "g1")
        server.add("fresh", "g2")
        assert ran(tmp_path, "g2") == "green"
        deploy(folder, "blue", HOLDS)
        recycle(server)
        server.add("note", "b2")
        assert ran(tmp_path, "b2") == "blue"
        for name in ("b1", "g1"):
            (tmp_path / f"{name}.told").touch()
        assert (ran(tmp_path, "b1"), ran(tmp_path, "g1")) == ("blue", "green")
        eventually(lambda: all_done(server), f"{server.records()}")
        assert {record.attempt for record in server.records()} == {1}
        assert len({record.release for record in server.records()}) == 2


@pytest.mark.slow
def test_a_preloaded_app_stays_one_release_when_its_web_workers_are_replaced(tmp_path: Path) -> None:
    folder = deploy(tmp_path / "app", "blue", HOLDS)
    with serving(folder, tmp_path, "gunicorn --preload", OUTLAST_LINGER="600", OUTLAST_DRAIN="600") as server:
        hold(server, tmp_path, "b1")
        eventually(lambda: len(runners_in(folder)) == 1, "of those that started at once, one is left")
        runners = runners_in(folder)
        recycle(server)
        for number in range(2, 5):
            server.add("note", f"b{number}")
        assert {ran(tmp_path, f"b{number}") for number in range(2, 5)} == {"blue"}
        (tmp_path / "b1.told").touch()
        assert ran(tmp_path, "b1") == "blue"
        eventually(lambda: all_done(server), f"{server.records()}")
        assert {(record.attempt, record.release) for record in server.records()} == {(1, server.records()[0].release)}
        assert runners_in(folder) == runners


OLDER = "was forked with code that had been imported before main.py was changed"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gunicorn --preload", GUNICORN])
def test_a_web_worker_that_is_older_than_its_files_says_so(tmp_path: Path, kind: str) -> None:
    """Only where it has its code from a process that has forked it: whoever imports has what stands in the files."""
    folder = deploy(tmp_path / "app", "blue")
    is_preloaded = kind != GUNICORN
    with serving(folder, tmp_path, kind, OUTLAST_LINGER="600") as server:
        recycle(server)
        assert OLDER not in server.output
        deploy(folder, "green")
        recycle(server)
        server.add("note", "g1")
        assert ran(tmp_path, "g1") == "green"
        if is_preloaded:
            eventually(lambda: OLDER in server.output, f"it says so; {server.output}")
        assert (OLDER in server.output) is is_preloaded


@pytest.mark.slow
def test_the_log_goes_on_in_a_server_that_is_there(tmp_path: Path) -> None:
    """Also where the newest has gone, whose output the runner does not keep open either."""
    blue, green = deploy(tmp_path / "blue", "blue"), deploy(tmp_path / "green", "green")
    with serving(blue, tmp_path, OUTLAST_LINGER="1") as old:
        old.add("note", "b1")
        assert ran(tmp_path, "b1") == "blue"
        with serving(green, tmp_path, OUTLAST_LINGER="1") as new:
            new.add("note", "g1")
            assert ran(tmp_path, "g1") == "green"
            eventually(lambda: "is there after" in new.output, f"it is the newest server's log; {new.output}")
        eventually(lambda: old.living("child"), "the other release has task processes")
        before = old.output.count("is there after")
        for child in old.living("child"):
            os.kill(child, signal.SIGKILL)
        eventually(lambda: old.output.count("is there after") > before, f"another one is told of; {old.output}")
