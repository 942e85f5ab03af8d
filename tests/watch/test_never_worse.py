"""The watch never makes things worse: without room, with noise, in the middle of every stop, the app runs on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kill.test_full_disk import full_disk, read_only
from tests.support.cgroups import IS_ROOT
from tests.support.disks import small_disk
from tests.support.history import blamed_in, history_of
from tests.support.marks import slow
from tests.support.servers import Server, eventually, is_alive, serving
from tests.watch.test_box_noise import content, owner_of
from tests.watch.test_web_workers import APP, UVICORN_WORKER, reached, wait_for_sentence

NO_BOX = "can keep no black box"
OLD = "black boxes in"
MOUNTED = """
from fastapi import FastAPI

import inner

app = FastAPI()
app.mount("/inner", inner.app)


@app.get("/ping")
async def ping() -> int:
    import os

    return os.getpid()
"""


@contextmanager
def watched(folder: Path, kind: str = "uvicorn", *more: str, **environment: str) -> Iterator[Server]:
    """A server with the app of the watch's tests; stopped in order, as there may be no folder that tells its pids."""
    folder.mkdir(exist_ok=True)
    if not (folder / "main.py").exists():
        shutil.copy(APP, folder / "main.py")
    with serving(kind, folder, *more, **environment) as server:
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.stop()


def boxes(server: Server) -> list[str]:
    return sorted(one.name for one in server.journal.parent.glob("web-*"))


def threads_of(pid: int) -> list[str]:
    return [(one / "comm").read_text().strip() for one in Path(f"/proc/{pid}/task").iterdir()]


def count_of_threads(pid: int) -> int:
    return len(threads_of(pid))


def has_ended_without_a_trace(server: Server) -> None:
    """All processes have gone, and left neither a box nor an incident, but that the machine was too busy for them."""
    server.wait()
    eventually(lambda: not boxes(server), f"no box is left: {boxes(server)}")
    assert not server.journal.exists() or not blamed_in(server.journal), server.output


def incidents(server: Server) -> list[str]:
    if not server.journal.exists():
        return []
    return [one.sentence for one in history_of(server.journal).incidents(100)]


# No room, and noise


def test_a_folder_that_cannot_be_written_costs_one_warning(tmp_path: Path) -> None:
    with read_only(tmp_path / "disk"):
        url = f"sqlite:///{tmp_path}/disk/folder/journal.db"
        with watched(tmp_path / "app", OUTLAST_URL=url) as server:
            runs_on_with(server, NO_BOX)


@pytest.mark.skipif(not IS_ROOT, reason="only root can have a small file system")
def test_a_disk_that_is_full_costs_one_warning(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    with small_disk(place):
        (place / "filler").write_bytes(b"")
        with full_disk_at(place), watched(tmp_path / "app", OUTLAST_URL=f"sqlite:///{place}/journal.db") as server:
            runs_on_with(server, NO_BOX)
            assert not list(place.glob("web-*")), "no half of a box is left"


@pytest.mark.skipif(not IS_ROOT, reason="only root can have a small file system")
def test_a_disk_that_gets_full_later_does_not_hurt_the_box(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    with small_disk(place), watched(tmp_path / "app", OUTLAST_URL=f"sqlite:///{place}/journal.db") as server:
        worker = int(server.get("/ping")[1])
        with full_disk(server, place):
            for _ in range(100):
                assert server.get("/ping") == (200, str(worker))
        assert NO_BOX not in server.output


@contextmanager
def full_disk_at(place: Path) -> Iterator[None]:
    with (place / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                continue
        except OSError:
            yield


def runs_on_with(server: Server, warning: str) -> None:
    """It answers meanwhile, and says so once; the dead are looked at beside the loop."""
    worker = server.get("/ping")[1]
    for _ in range(20):
        assert server.get("/ping") == (200, worker)
    eventually(lambda: warning in server.output, f"it says so; {server.output}")
    assert server.output.count(warning) == 1, server.output


@pytest.mark.parametrize("what", ["old", "noise"])
def test_a_thousand_boxes_of_the_dead_cost_one_warning(tmp_path: Path, what: str) -> None:
    folder = tmp_path / ".outlast"
    folder.mkdir(mode=0o700)
    for number in range(1000):
        noise = [b"", b"noise", os.urandom(32_768), bytes(32_768)][number % 4]
        path = folder / f"web-{number}-1-a.box"
        path.write_bytes(noise if what == "noise" else content(owner_of(pid=number + 10**6)))
        os.utime(path, (number + 1, number + 1))
    with watched(tmp_path) as server:
        runs_on_with(server, OLD)
        told = 20 if what == "old" else 0
        eventually(lambda: server.output.count("; nothing was in flight") == told, f"{told} are told; {server.output}")
        assert len(boxes(server)) == 2, "its own box, and the file beside it"


# Where it watches, and where it does not


def test_a_watch_that_is_not_wanted_has_neither_box_nor_thread(tmp_path: Path) -> None:
    with watched(tmp_path / "with") as server:
        with_watch = count_of_threads(int(server.get("/ping")[1]))
        assert len(boxes(server)) == 2
    with watched(tmp_path / "without", OUTLAST_WATCH="false") as server:
        worker = int(server.get("/ping")[1])
        eventually(lambda: count_of_threads(worker) < with_watch, "those of its start have ended")
        assert boxes(server) == []


def test_a_mounted_app_is_watched_from_its_first_request_on(tmp_path: Path) -> None:
    shutil.copy(APP, tmp_path / "inner.py")
    (tmp_path / "main.py").write_text(MOUNTED)
    with serving("uvicorn", tmp_path) as server:
        worker = server.get("/ping")[1]
        assert boxes(server) == []
        assert server.get("/inner/ping") == (200, worker)
        assert len(boxes(server)) == 2
        command = ["curl", "-s", "-m", "20", f"http://127.0.0.1:{server.port}/inner/block?way=in_a_sleep"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as client:
            reached(server, "culprit")
            wait_for_sentence(
                server, rf"event loop of web worker {worker} has been blocked .* by in_a_sleep \(inner.py"
            )
            client.kill()


# Stops


def test_a_normal_stop_leaves_nothing(tmp_path: Path) -> None:
    with watched(tmp_path) as server:
        server.stop()
        has_ended_without_a_trace(server)


def test_ctrl_c_twice_leaves_nothing(tmp_path: Path) -> None:
    with watched(tmp_path) as server:
        server.get("/inline-innocent?seconds=60")
        reached(server, "inline-innocent")
        server.process.send_signal(signal.SIGINT)
        eventually(lambda: "CTRL+C to force quit" in server.output, server.output)
        server.process.send_signal(signal.SIGINT)
        has_ended_without_a_trace(server)


def test_workers_that_are_replaced_leave_nothing(tmp_path: Path) -> None:
    """By uvicorn's --reload."""
    with watched(tmp_path, "uvicorn --reload") as server:
        before = int(server.get("/ping")[1])
        (tmp_path / "main.py").write_text(APP.read_text() + "\n# another line\n")
        eventually(lambda: not is_alive(before) and server.answers(), f"a new one answers; {server.output}")
        eventually(lambda: len(boxes(server)) == 2, f"only the new one has a box: {boxes(server)}")
        server.stop()
        has_ended_without_a_trace(server)


@pytest.mark.parametrize("kind", [UVICORN_WORKER, *slow("gunicorn asgi")])
def test_workers_that_gunicorn_replaces_leave_nothing(tmp_path: Path, kind: str) -> None:
    """By HUP, and after --max-requests."""
    with watched(tmp_path, kind, "--max-requests", "5") as server:
        before = int(server.get("/ping")[1])
        os.kill(server.process.pid, signal.SIGHUP)
        eventually(lambda: not is_alive(before) and server.answers(), f"a new one answers; {server.output}")
        second = int(server.get("/ping")[1])
        eventually(lambda: server.answers() and not is_alive(second), f"the third one answers; {server.output}")
        eventually(lambda: len(boxes(server)) == 2, f"only the last one has a box: {boxes(server)}")
        server.stop()
        has_ended_without_a_trace(server)
