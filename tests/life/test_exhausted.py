"""What is missing for a while: descriptors, in each kind of process, the journal at start, a black box, the socket."""

from __future__ import annotations

import os
import re
import resource
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw
import pytest

from outlast.runner.listener import LOOK
from outlast.runner.web_workers import WebWorkers
from outlast.system.place import Place
from outlast.system.process import this
from outlast.watch import kept_box
from outlast.watch.layout import SIZE
from outlast.watch.recovered import read
from outlast.watch.watch import Watch
from outlast.wire.channel import Channel
from tests.support.processes import given_a_task_that_it_cannot_read, kill, runners_in
from tests.support.servers import Server, eventually, is_alive, lay_out, serving

GUNICORN = "gunicorn uvicorn_worker"
NO_MORE = 3  # descriptors: all that are open stay open, and none can be added
EMFILE = "Too many open files"


@contextmanager
def without_descriptors(pid: int) -> Iterator[None]:
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (NO_MORE, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def says(server: Server, words: str) -> None:
    eventually(lambda: words in server.output, f"{words!r}; {server.output}")


def both_workers(server: Server) -> list[int]:
    """The pids of two web workers, each of which has stored a task."""
    seen: dict[int, None] = {}

    def has_both() -> bool:
        seen[server.add("ok", "before")] = None
        return len(seen) == 2

    eventually(has_both, "each of them is asked at last")
    eventually(server.all_settled, "what they were asked for is over")
    eventually(lambda: len(runners_in(server.folder)) == 1, "where both have started one, one has left")
    return list(seen)


@pytest.mark.slow
def test_a_web_worker_without_descriptors_whose_runner_dies_starts_another_when_it_can(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        worker = server.add("ok", "before")
        server.wait_for("ran", "before")
        with without_descriptors(worker):
            for runner in runners_in(tmp_path):
                kill(runner)
            says(server, f"cannot be started: [Errno 24] {EMFILE}")
        eventually(lambda: runners_in(tmp_path), "a runner is there, and no task had to be added for it")
        says(server, "is reached again")
        assert server.output.count("cannot be started") == 1
        assert server.add("ok", "after") == worker
        server.wait_for("ran", "after")


@pytest.mark.slow
def test_what_may_not_have_begun_is_not_charged_where_the_runner_cannot_read_what_is_left(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_MAX_CHILDREN="1", OUTLAST_STALL_LIMIT="60") as server:
        dying = given_a_task_that_it_cannot_read(server, "it")
        with without_descriptors(runners_in(tmp_path)[0]):
            kill(dying)
            says(server, "task processes cannot start: ")
        server.wait_for("ran", "it")
        eventually(server.all_settled, f"{server.records()} {server.output}")
        assert [one.crashes for one in server.records()] == [0, 0]
        events = server.record(next(one.id for one in server.records() if one.attempt == 2)).events
        said = " ".join(one.reason for one in events)
        assert re.search("nobody knows whether it had begun there|before it had read it", said), (
            "the second if it could"
        )


def test_a_runner_without_descriptors_starts_task_processes_when_it_can(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.add("ok", "before")
        server.wait_for("ran", "before")
        eventually(server.all_settled, "its end is known, too, so that nobody is charged with what follows")
        runner = runners_in(tmp_path)
        with without_descriptors(runner[0]):
            for child in server.living("child"):
                kill(child)
            server.add("ok", "during")
            says(server, "task processes cannot start: ")
        server.wait_for("ran", "during")
        eventually(server.all_settled, f"{server.records()} {server.output}")
        assert runners_in(tmp_path) == runner
        assert {(one.state, one.crashes) for one in server.records()} == {("done", 0)}


@pytest.mark.slow
def test_a_runner_without_descriptors_takes_web_workers_when_it_can(tmp_path: Path) -> None:
    """A second one is there all the time: the runner says what it has to say in the server's log."""
    with serving(GUNICORN, tmp_path, "-w", "2") as server:
        worker, second = both_workers(server)
        runner = runners_in(tmp_path)
        with without_descriptors(runner[0]):
            kill(worker)
            says(server, "no web worker can connect")
            assert is_alive(second)
            eventually(lambda: server.answers() and not is_alive(worker), "another web worker is there")
            server.add("ok", "during")
        server.wait_for("ran", "during")
        assert runners_in(tmp_path) == runner


def test_a_task_process_without_descriptors_goes_on(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_MAX_CHILDREN="1", OUTLAST_SPARES="0") as server:
        server.add("until_told_async", "it")
        child = int(server.wait_for("began", "it")[2])
        with without_descriptors(child):
            server.add("block", "meanwhile", 1.5)
            eventually(lambda: [one.state for one in server.records()].count("failed") == 1, "it ends, with a word")
            assert EMFILE in next(one.reason for one in server.records() if one.state == "failed")
        server.tell("it")
        server.add("ok", "after")
        assert int(server.wait_for("ran", "after")[2]) == child
        assert server.wait_for("ran", "it")[2] == str(child)


def test_a_listener_without_descriptors_is_not_asked_again_and_again(tmp_path: Path) -> None:
    selector = selectors.DefaultSelector()
    place = Place.of(tmp_path / "journal.db")
    web_workers = WebWorkers(place, selector)
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.connect(str(place.socket))
        with without_descriptors(os.getpid()):
            answer(selector)
            assert selector.select(0) == [], "nothing is ready, so that nobody spins"
        web_workers.listener.keep(time.monotonic() + LOOK)
        answer(selector)
        assert list(web_workers.heard(time.monotonic())) == []
        client.sendall(b"x")
        assert [type(key.data) for key, _ in selector.select(1)] == [Channel], "it has been let in"
    answer(selector)
    answer(selector)  # it has left
    web_workers.close()
    selector.close()


def answer(selector: selectors.BaseSelector) -> None:
    for key, _ in selector.select(1):
        key.data.attend()


@pytest.mark.slow
def test_a_socket_that_is_deleted_is_made_anew_by_the_same_runner(tmp_path: Path) -> None:
    with serving(GUNICORN, tmp_path, OUTLAST_LINGER="600") as server:
        worker = server.add("ok", "before")
        server.wait_for("ran", "before")
        before = runners_in(tmp_path)
        Place.of(server.journal).socket.unlink()
        kill(worker)
        eventually(lambda: server.answers() and not is_alive(worker), "another web worker is there")
        server.add("ok", "after")
        server.wait_for("ran", "after")
        says(server, "was deleted or replaced: the runner has made it anew")
        eventually(lambda: runners_in(tmp_path) == before, f"one that was started meanwhile leaves; {server.output}")


@pytest.mark.slow
def test_what_waits_runs_when_the_lock_on_the_journal_is_let_go_that_was_held_at_the_start(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.add("until_told", "it")
        server.wait_for("began", "it")
        server.kill_everything()
        server.tell("it")
    with closing(apsw.Connection(str(server.journal))) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        with serving("uvicorn", tmp_path, OUTLAST_STORE_DEADLINE="0.3", OUTLAST_STALL_AFTER="0.4") as server:
            says(server, "what waits from before runs as soon as the journal can be used")
            assert server.answers(), "the loop waits for nobody"
            assert not server.witnessed("ran", "it")
            somebody.execute("ROLLBACK")
            server.wait_for("ran", "it")  # and nobody has to add a task
            says(server, "can be used again: what waits from before runs")
            assert "has been blocked for" not in server.output


@pytest.mark.slow
def test_a_server_that_enqueues_before_it_forks_its_workers(tmp_path: Path) -> None:
    lay_out(tmp_path)
    with (tmp_path / "main.py").open("a") as main:
        main.write("\n\nfrom outlast.system.process import this\n\nif not this.role.is_child:\n")
        main.write("    outlast.enqueue_sync(ok, 'at-import')\n")
    with serving("gunicorn --preload", tmp_path) as server:
        workers: set[int] = set()

        def add() -> bool:
            workers.add(server.add("ok", f"n{len(server.records())}"))
            return len(workers) == 2

        eventually(add, f"both workers have stored a task; {server.output}")
        server.wait_for("ran", "at-import")
        eventually(server.all_settled, f"{server.records()} {server.output}")
        assert len(server.witnessed("ran", "at-import")) == 1
        assert {one.state for one in server.records()} == {"done"}
        assert len(server.living("web")) == 3, "the one that forked them, and each worker as one of its own"
    assert not this.role.is_child


def test_a_process_without_room_for_a_black_box_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_box, "LOOK_AGAIN", 0.02)
    folder = tmp_path / "folder"
    folder.touch()
    watch = Watch("web worker")
    flight = watch.flights.begin("GET /report", 7)
    watch.keep_box(folder / "a.box")
    assert watch.box_path is None
    folder.unlink()
    eventually(lambda: watch.box_path is not None, "there is room now")
    assert (folder / "a.box").stat().st_size == SIZE
    eventually(lambda: (found := read(folder / "a.box")) is not None and found.in_flight, "it has what is in flight")
    watch.flights.end(flight)
    watch.close()
    assert not list(folder.iterdir())


def test_a_process_that_ends_before_there_is_room_leaves_no_black_box(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_box, "LOOK_AGAIN", 0.02)
    folder = tmp_path / "folder"
    folder.touch()
    watch = Watch("web worker")
    watch.keep_box(folder / "a.box")
    watch.close()
    folder.unlink()
    eventually(lambda: not [one for one in threading.enumerate() if one.name == "outlast-box"], "nobody looks again")
    assert not folder.exists() or not list(folder.iterdir())
