"""`enqueue` and `enqueue_sync`, for real and in the test modes; which app they mean."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from fastapi import BackgroundTasks, FastAPI
from starlette.testclient import TestClient

import outlast
from outlast.app import current
from outlast.journal.read import Record
from outlast.settings.settings import Settings
from outlast.system.process import adopt, this
from outlast.testing import FOLDER, JOURNAL, CollectedTasks
from tests.support.history import history_of
from tests.support.servers import eventually, serving

RAN: list[str] = []


@outlast.task(travels=True)  # in these tests it does not have to
async def note(word: str) -> None:
    RAN.append(word)


def note_pid(path: Path) -> None:
    path.write_text(str(os.getpid()))


async def note_pid_async(path: Path) -> None:
    path.write_text(str(os.getpid()))


def fail() -> None:
    raise ValueError("no")


@pytest.fixture
def app() -> Iterator[FastAPI]:
    RAN.clear()
    before = this.apps.newest
    app = FastAPI()
    outlast.install(app, spares=0)
    yield app
    this.apps.newest = before


def test_in_a_test_an_enqueued_task_has_run_when_the_call_returns(app: FastAPI) -> None:
    outlast.enqueue_sync(note, "sync")
    asyncio.run(outlast.enqueue(note, "async"))
    assert RAN == ["sync", "async"]


def test_in_a_test_what_an_enqueued_task_raises_is_raised(app: FastAPI) -> None:
    with pytest.raises(ValueError, match="no"):
        outlast.enqueue_sync(fail)


def test_what_cannot_travel_is_refused_in_a_test_too(app: FastAPI) -> None:
    with pytest.raises(outlast.NotStorable, match="lambda"):
        outlast.enqueue_sync(lambda: None)


def test_enqueued_tasks_are_collected_in_mode_manual(app: FastAPI, outlast_tasks: CollectedTasks) -> None:
    outlast.enqueue_sync(note, "later")
    assert not RAN
    outlast_tasks.assert_added(note, word="later")
    outlast_tasks.drain()
    assert RAN == ["later"]


@pytest.mark.outlast("real")
@pytest.mark.parametrize("function", [note_pid, note_pid_async])
def test_an_enqueued_task_runs_in_another_process(app: FastAPI, tmp_path: Path, function: object) -> None:
    handle = outlast.enqueue_sync(function, tmp_path / "pid")  # type: ignore[call-overload]
    assert finished(app, handle.id).state == "done"
    assert int((tmp_path / "pid").read_text()) != os.getpid()


@pytest.mark.outlast("real")
def test_in_mode_real_a_request_stores_its_task(app: FastAPI, tmp_path: Path) -> None:
    @app.get("/")
    async def add(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(note_pid, tmp_path / "pid")

    with TestClient(app) as client:
        assert client.get("/").status_code == 200
        eventually((tmp_path / "pid").exists, "the task ran")
    assert int((tmp_path / "pid").read_text()) != os.getpid()


@pytest.mark.slow
@pytest.mark.outlast("real")
def test_in_mode_real_a_journal_that_is_slow_is_waited_for(app: FastAPI, tmp_path: Path) -> None:
    @app.get("/")
    async def add(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(note_pid, tmp_path / "pid")

    with TestClient(app) as client, ThreadPoolExecutor() as threads:
        assert client.get("/").status_code == 200
        with closing(apsw.Connection(str(tmp_path / FOLDER / JOURNAL))) as somebody:
            somebody.set_busy_timeout(9_000)
            somebody.execute("BEGIN IMMEDIATE")
            answer = threads.submit(client.get, "/")
            assert not wait([answer], timeout=2 * Settings().store_deadline).done
            somebody.execute("ROLLBACK")
        assert answer.result().status_code == 200


def test_a_task_may_enqueue_another(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.add("ask_for_another", "first")
        server.wait_for("ran", "first-and-another")
        eventually(server.all_settled, f"{server.records()}")


def test_without_an_app_the_error_tells_the_remedy(app: FastAPI) -> None:
    this.apps.newest = None
    with pytest.raises(outlast.NotInstalled, match=r"outlast\.install\(app\)"):
        outlast.enqueue_sync(note, "nobody")


def test_outside_of_requests_the_app_is_meant_whose_lifespan_is_open_else_the_newest(app: FastAPI) -> None:
    other = FastAPI()
    outlast.install(other)
    assert current() is other.state.outlast
    with TestClient(app):
        assert current() is app.state.outlast
    assert current() is other.state.outlast
    newest = other.state.outlast
    del other
    gc.collect()
    assert current() is newest


def test_in_a_task_process_the_app_is_meant_that_it_was_started_for(app: FastAPI) -> None:
    outlast.install(FastAPI())
    assert current() is not app.state.outlast
    adopt(app)
    assert current() is app.state.outlast
    adopt(None)
    assert current() is app.state.outlast


@pytest.mark.outlast("real")
def test_with_two_apps_that_are_served_the_error_tells_the_remedy(app: FastAPI) -> None:
    other = FastAPI()
    outlast.install(other, runner="off")
    with TestClient(app), TestClient(other), pytest.raises(outlast.NotInstalled, match=r"app\.state\.outlast"):
        outlast.enqueue_sync(note, "which")


@pytest.mark.outlast("real")
def test_a_task_that_has_failed_runs_again_when_it_is_asked_for(app: FastAPI) -> None:
    handle = outlast.enqueue_sync(fail)
    assert finished(app, handle.id).state == "failed"
    assert outlast.retry_sync(handle.id)
    eventually(lambda: finished(app, handle.id).attempt == 2, "it is tried again")
    assert asyncio.run(outlast.retry(handle.id))
    eventually(lambda: finished(app, handle.id).attempt == 3, "and again")
    with pytest.raises(outlast.OutlastError, match="no task"):
        outlast.retry_sync(7)


def finished(app: FastAPI, task_id: str) -> Record:
    journal = app.state.outlast.path

    def is_finished() -> bool:
        return history_of(journal).task(task_id).ended_at is not None

    eventually(is_finished, f"task {task_id} ends")
    return history_of(journal).task(task_id)
