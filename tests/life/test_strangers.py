"""Another user of the machine beside the journal: learns nothing, runs nothing, blocks nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlast.journal.engines import open_journal
from outlast.system.place import Place
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import Lane, NewTask, State
from tests.support.journals import answer_to_a_task
from tests.support.servers import PATIENCE, Server, eventually, serving
from tests.support.strangers import CALL, LISTEN, LOCK_FILE, NOBODY, PLANT_BOXES, common_folder, needs_root, stranger

pytestmark = needs_root
OUTLAST = str(Path(sys.executable).with_name("outlast"))
HUNG_UP = {"answered b''", "answered ConnectionResetError", "answered BrokenPipeError"}
STICKY, OPEN = 0o1777, 0o777
SHARED = {**os.environ, "OUTLAST_SHARED_FOLDER": "true"}
PLANT_JOURNAL = """
shutil.copy(f"{path}/made", f"{path}/journal.db")
is_there()
"""


@pytest.fixture
def common() -> Iterator[Path]:
    with common_folder() as folder:
        yield folder


@pytest.fixture
def place(common: Path) -> Place:
    """In a folder that everybody may write to."""
    common.chmod(OPEN)
    return Place.of(common / "journal.db")


def refuses(server: Server, why: str) -> bool:
    """Whether it says so at its start, answers, takes no task, and starts no runner."""
    eventually(lambda: server.output.count(why) == 1, f"it is said at its start; {server.output}")
    status, retry_after = answer_to_a_task(server, "it")
    return (status, retry_after is not None, server.answers()) == (503, True, True)


def variables(place: Place, *, is_shared: bool = False) -> dict[str, str]:
    return {"OUTLAST_URL": f"sqlite:///{place.journal}", "OUTLAST_SHARED_FOLDER": str(is_shared).lower()}


@pytest.mark.parametrize("mode", [STICKY, OPEN])
def test_who_listens_first_in_a_folder_for_everybody_is_told_nothing(tmp_path: Path, place: Place, mode: int) -> None:
    place.folder.chmod(mode)
    with stranger(LISTEN, place.socket) as listening, serving("uvicorn", tmp_path, **variables(place)) as server:
        assert refuses(server, "everybody may write to it")
        assert listening.end() == []
    assert [one.name for one in place.folder.iterdir()] == ["runner.sock"], "nothing of ours is there"


def test_who_listens_first_in_a_shared_folder_is_told_nothing_and_tasks_run(tmp_path: Path, place: Place) -> None:
    with (
        stranger(LISTEN, place.socket) as listening,
        serving("uvicorn", tmp_path, **variables(place, is_shared=True)) as server,
    ):
        server.journal = place.journal
        server.add("ok", "it")
        server.wait_for("ran", "it")
        assert f"whoever listens at {place.socket} runs as nobody (uid 65534)" in server.output
        assert set(listening.end()) == {"heard 0"}


def test_who_may_call_the_runner_is_hung_up_on_with_one_line(tmp_path: Path, common: Path) -> None:
    place = Place.of(common / "journal.db")
    with serving("uvicorn", tmp_path, **variables(place)) as server:
        server.journal = place.journal
        server.add("ok", "before")
        server.wait_for("ran", "before")
        place.socket.chmod(0o777)
        with stranger(CALL, place.socket) as calling:
            assert len(calling.said) == 3
            assert set(calling.said) <= HUNG_UP
        eventually(lambda: "called this runner" in server.output, f"it is said; {server.output}")
        assert server.output.count("a process of nobody (uid 65534) called this runner") == 1
        server.add("ok", "after")
        server.wait_for("ran", "after")


@pytest.mark.slow
def test_planted_boxes_neither_block_nor_deceive(tmp_path: Path, place: Place) -> None:
    with (
        stranger(PLANT_BOXES, place.folder),
        serving("uvicorn", tmp_path, **variables(place, is_shared=True)) as server,
    ):
        server.journal = place.journal
        server.add("ok", "it")
        server.wait_for("ran", "it")
        said = f"9 files in {place.folder} are named as black boxes are"
        eventually(lambda: said in server.output, f"they are counted; {server.output}")
        server.add("crash_async", "that", 0)
        eventually(server.all_settled, f"{server.records()} {server.output}")
        explained = subprocess.run(
            [OUTLAST, "explain", "--url", f"sqlite:///{place.journal}"],
            capture_output=True,
            text=True,
            timeout=20 * PATIENCE,
            check=True,
        )
        assert "web worker" not in explained.stdout
        assert len([box for box in place.folder.glob("*.box") if box.lstat().st_uid == NOBODY]) == 12, "they stay"


@pytest.mark.parametrize("name", ["processes.lock", ".journal.db.lock", "journal.db"])
def test_what_was_planted_and_locked_is_refused_and_not_waited_for(tmp_path: Path, place: Place, name: str) -> None:
    with (
        stranger(LOCK_FILE, place.folder / name),
        serving("uvicorn", tmp_path, **variables(place, is_shared=True)) as server,
    ):
        assert refuses(server, f"its file {name} is not this user's alone (it belongs to nobody (uid 65534))")


def test_a_planted_journal_runs_nothing(tmp_path: Path, place: Place) -> None:
    """A row names a function to be run: one of this user's own journal is, one of a stranger's is not."""
    own, witness = tmp_path / "own" / "journal.db", tmp_path / "witness"
    journal = open_journal(f"sqlite:///{own}")
    with journal.transaction():
        arguments = json.dumps({"path": str(witness)})
        journal.tasks.add(
            [NewTask(TaskIds().next(), "os:mkdir", arguments, Lane.THREAD, State.WAITING, 1.0, "GET /")], 1
        )
    journal.close()
    shutil.copyfile(own, place.folder / "made")
    with stranger(PLANT_JOURNAL, place.folder):
        refused = subprocess.run(
            worker(place.journal), env=SHARED, capture_output=True, text=True, timeout=20 * PATIENCE, check=False
        )
        assert refused.returncode == 1
        assert "it belongs to nobody (uid 65534)" in refused.stderr
        assert not witness.exists()
    with subprocess.Popen(worker(own), stderr=subprocess.DEVNULL) as running:
        eventually(witness.exists, "the same journal runs where it is this user's own")
        running.terminate()


def worker(journal: Path) -> list[str]:
    return [OUTLAST, "worker", "--url", f"sqlite:///{journal}"]
