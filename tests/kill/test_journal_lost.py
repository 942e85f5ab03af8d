"""The journal's files deleted, moved, truncated or overwritten while server and runner use them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.support.journals import (
    SIDES,
    Clients,
    answer_to_a_task,
    files_of,
    is_sound,
    overwrite,
    takes_tasks,
    truncate,
)
from tests.support.marks import slow
from tests.support.processes import kill, runners_in
from tests.support.servers import Server, eventually, is_alive, lay_out, serving

OUTLAST = str(Path(sys.executable).with_name("outlast"))
ONE_AT_ONCE = {"OUTLAST_THREAD_SLOTS": "1", "OUTLAST_MAX_CHILDREN": "1"}
FILE_AND_LOG = ("", "-wal")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One task runs, one waits behind it for the only slot, one is done."""
    with serving("gunicorn uvicorn_worker", tmp_path, **ONE_AT_ONCE) as server:
        server.add("ok", "first")
        server.wait_for("ran", "first")
        server.add("until_told", "running")
        server.wait_for("began", "running")
        server.add("ok", "waiting")
        yield server


def processes(server: Server) -> tuple[str, list[int]]:
    return server.get("/ping")[1], runners_in(server.folder)


def state_of(server: Server, name: str) -> list[str]:
    return [one.state for one in server.records() if f'"{name}"' in one.arguments]


def put_back(server: Server) -> int:
    return server.output.count("has been put back")


def was_put_back_again(server: Server, times: int) -> bool:
    return put_back(server) > times


def ran_once(server: Server, *names: str) -> bool:
    return all(len(server.witnessed("ran", name)) == 1 for name in names)


@pytest.mark.parametrize("sides", [SIDES, *slow(("",), ("-wal",), ("-shm",), FILE_AND_LOG)], ids=" and ".join)
@pytest.mark.parametrize("how", [Path.unlink, lambda file: file.rename(f"{file}.away")], ids=["deleted", "moved"])
def test_a_journal_that_goes_away_is_put_back_and_loses_nothing(
    server: Server, sides: Sequence[str], how: Callable[[Path], object]
) -> None:
    before = processes(server)
    for file in files_of(server.journal, sides):
        how(file)
    eventually(lambda: takes_tasks(server, "after"), f"tasks are accepted; {server.output}")
    eventually(lambda: "has been put back" in server.output, "it is said what happened")
    server.tell("running")
    eventually(server.all_settled, f"{server.records()} {server.output}")
    assert ran_once(server, "first", "running", "waiting", "after")
    assert {one.state for one in server.records()} == {"done"}
    assert len(server.records()) == 4
    assert processes(server) == before
    assert is_sound(server.journal)


@pytest.mark.slow
@pytest.mark.parametrize("sides", [SIDES, ("",)], ids=" and ".join)
def test_a_journal_that_is_deleted_again_and_again_under_load_loses_and_doubles_nothing(
    tmp_path: Path, sides: Sequence[str]
) -> None:
    with serving("gunicorn uvicorn_worker", tmp_path, "-w", "4") as server:
        clients = Clients(server, "n")
        with clients.at_work():
            for _ in range(6):
                eventually(partial(clients.have_been_answered, 40), server.output)
                times = put_back(server)
                for file in files_of(server.journal, sides):
                    file.unlink(missing_ok=True)
                eventually(partial(was_put_back_again, server, times), f"it is put back; {server.output[-3000:]}")
        eventually(server.all_settled, f"all have ended; {server.output[-3000:]}")
        assert sorted(clients.accepted) == sorted(name for _, name, _ in server.witnessed("ran"))
        assert is_sound(server.journal)


@pytest.mark.parametrize("sides", [FILE_AND_LOG, *slow(("",))], ids=" and ".join)
@pytest.mark.parametrize("damage", [overwrite, *slow(truncate)])
def test_a_damaged_journal_is_refused_until_it_is_moved_away(
    server: Server, sides: Sequence[str], damage: Callable[[Path], None]
) -> None:
    before = processes(server)
    for file in files_of(server.journal, sides):
        damage(file)
    status, retry_after = answer_to_a_task(server, "refused")
    assert (status, retry_after is not None) == (503, True)
    assert "is damaged" in server.output
    assert "Move it away" in server.output
    server.tell("running")
    server.wait_for("ran", "running")
    assert processes(server) == before, "nothing has died of it"
    for file in files_of(server.journal):
        file.rename(f"{file}.damaged")
    eventually(lambda: takes_tasks(server, "after"), f"tasks are accepted; {server.output}")
    server.wait_for("ran", "after")
    eventually(lambda: state_of(server, "running") == ["done"], f"its end was kept; {server.records()}")
    eventually(server.all_settled, f"{server.records()} {server.output}")
    assert ran_once(server, "running", "after")
    assert not server.witnessed("ran", "refused"), "a task that was refused must not run"
    assert processes(server) == before
    assert is_sound(server.journal)


@pytest.mark.slow
@pytest.mark.parametrize("victims", [["worker", "runner"], ["worker"], ["runner"]], ids=" and ".join)
@pytest.mark.parametrize("damage", [overwrite, truncate])
def test_processes_that_start_on_a_damaged_journal_refuse_and_do_not_die(
    server: Server, damage: Callable[[Path], None], victims: Sequence[str]
) -> None:
    worker, (runner,) = processes(server)
    pids = {"worker": int(worker), "runner": runner}
    for file in files_of(server.journal, FILE_AND_LOG):
        damage(file)
    for victim in victims:
        kill(pids[victim])
    eventually(lambda: not any(is_alive(pids[victim]) for victim in victims) and server.answers(), "it answers again")
    web = server.get("/ping")[1]
    assert answer_to_a_task(server, "refused")[0] == 503
    assert "is damaged" in server.output
    reading = subprocess.run([OUTLAST, "status"], cwd=server.folder, capture_output=True, text=True, check=False)
    assert "Traceback" not in reading.stderr
    for file in files_of(server.journal):
        file.rename(f"{file}.damaged")
    eventually(lambda: takes_tasks(server, "after"), f"tasks are accepted; {server.output}")
    server.tell("running")
    server.wait_for("ran", "after")
    assert server.get("/ping")[1] == web, "no web worker has died of it"
    assert not server.witnessed("ran", "refused")
    assert is_sound(server.journal)


def is_removed(folder: Path) -> bool:
    """Who is in it may write there meanwhile."""
    with suppress(OSError):
        shutil.rmtree(folder)
    return not folder.exists()


def test_a_working_folder_that_is_removed_and_made_anew(tmp_path: Path) -> None:
    """As by a deploy that begins with it: no process is in the new one, though it has the name."""
    folder = lay_out(tmp_path / "app")
    with serving("uvicorn", folder, WITNESS=str(folder / "witness.log")) as server:
        server.add("ok", "before")
        eventually(server.all_settled, server.output)
        eventually(lambda: is_removed(folder), "nobody puts anything there meanwhile")
        (lay_out(folder) / "output.log").touch()
        assert server.get("/add/ok/after")[0] == 200
        server.wait_for("ran", "after")
