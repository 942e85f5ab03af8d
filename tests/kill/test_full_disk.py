"""A journal that cannot be written: 503, a clear line in the log, and back to work when there is room."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from tests.doctor.run import doctor
from tests.support.cgroups import IS_ROOT
from tests.support.disks import small_disk
from tests.support.journals import answer_to_a_task
from tests.support.servers import Server, eventually, serving

FILLER = "filler"


@contextmanager
def full_disk(server: Server, place: Path) -> Iterator[None]:
    """Not a byte is left where the journal is."""
    with (place / FILLER).open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                continue
        except OSError:
            yield
    (place / FILLER).unlink()


@contextmanager
def file_size_limit(server: Server, place: Path) -> Iterator[None]:
    """The web worker may not write past the first 8 KiB of any file: enough for its log, not for a task."""
    worker = int(server.get("/ping")[1])
    before = resource.prlimit(worker, resource.RLIMIT_FSIZE)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (8192, before[1]))
    yield
    resource.prlimit(worker, resource.RLIMIT_FSIZE, before)


@contextmanager
def read_only(place: Path) -> Iterator[Callable[[], object]]:
    """A folder that cannot be written until the returned function is called."""
    if IS_ROOT:
        with small_disk(place, "ro"):
            yield lambda: subprocess.run(["mount", "-o", "remount,rw", place], check=True)
    else:
        place.mkdir(mode=0o555)
        yield lambda: place.chmod(0o755)


Way = Callable[[Server, Path], AbstractContextManager[None]]
WAYS: list[Way] = [full_disk, file_size_limit] if IS_ROOT else [file_size_limit]


@pytest.mark.parametrize("way", WAYS)
def test_a_full_disk_is_answered_503_and_the_server_recovers(tmp_path: Path, way: Way) -> None:
    place = tmp_path / "disk"
    with small_disk(place) if IS_ROOT else nullcontext():
        place.mkdir(exist_ok=True)
        with serving("gunicorn uvicorn_worker", tmp_path, OUTLAST_URL=f"sqlite:///{place}/journal.db") as server:
            server.journal = place / "journal.db"
            server.add("ok", "before")
            server.wait_for("ran", "before")
            worker = server.get("/ping")[1]
            with way(server, place):
                status, retry_after = answer_to_a_task(server, "during")
                assert (status, retry_after is not None) == (503, True)
                assert server.get("/ping")[1] == worker, "the server stays up, also for requests without tasks"
                assert "cannot be written now" in server.output
            eventually(lambda: answer_to_a_task(server, "after")[0] == 200, "it recovers when there is room")
            server.wait_for("ran", "after")
            assert not server.witnessed("ran", "during"), "a task that was refused must not run"
            assert server.get("/ping")[1] == worker


def test_a_read_only_folder_is_answered_503_and_the_server_recovers(tmp_path: Path) -> None:
    with read_only(tmp_path / "disk") as make_writable:
        journal = tmp_path / "disk" / "folder" / "journal.db"
        with serving("uvicorn", tmp_path, OUTLAST_URL=f"sqlite:///{journal}") as server:
            server.journal = journal
            eventually(lambda: "no background task can be stored" in server.output, "it is told at the start")
            assert "set OUTLAST_URL to one that is kept" in server.output
            answer = doctor(tmp_path, "main:app", "--json", environ={"OUTLAST_URL": f"sqlite:///{journal}"})
            assert (answer.code, "no background task can be stored" in answer.stdout) == (3, True)
            status, retry_after = answer_to_a_task(server, "during")
            assert (status, retry_after is not None) == (503, True)
            assert "cannot be made" in server.output
            assert server.get("/ping")[0] == 200
            make_writable()
            eventually(lambda: answer_to_a_task(server, "after")[0] == 200, "it recovers when it can be written")
            server.wait_for("ran", "after")
            assert not server.witnessed("ran", "during")


@contextmanager
def sharing(journal: Path, folder: Path) -> Iterator[Server]:
    """A server, one of several of a journal."""
    with serving("uvicorn", folder, OUTLAST_URL=f"sqlite:///{journal}") as server:
        server.journal = journal
        yield server


@pytest.mark.slow
def test_what_could_not_be_stored_in_one_server_keeps_no_other_from_storing(tmp_path: Path) -> None:
    journal = tmp_path / "shared" / "journal.db"
    with sharing(journal, tmp_path / "first") as first, sharing(journal, tmp_path / "idle") as idle:
        first.add("ok", "makes-the-journal")
        eventually(first.all_settled, "it has run, in a task process of any of them")
        with file_size_limit(idle, tmp_path):
            assert answer_to_a_task(idle, "refused")[0] == 503
        with sharing(journal, tmp_path / "last") as last:
            assert answer_to_a_task(last, "accepted")[0] == 200, last.output
            assert answer_to_a_task(idle, "accepted-later")[0] == 200, idle.output
