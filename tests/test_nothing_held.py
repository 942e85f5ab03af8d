"""What an app with outlast takes it gives back: with the app, with its lifespan, with the test."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Iterator
from operator import le
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx
from fastapi import BackgroundTasks, FastAPI
from starlette.testclient import TestClient

import outlast
from outlast.system.process import this
from tests.support.servers import eventually

pytest_plugins = ("pytester",)
MANY = 300


def work(n: int) -> None:
    """Travels."""


def app_with_task(path: Path) -> FastAPI:
    app = FastAPI()
    outlast.install(app, url=f"sqlite:///{path / 'journal.db'}", runner="off")

    @app.get("/travels")
    async def travels(tasks: BackgroundTasks) -> None:
        tasks.add_task(work, 1)

    @app.get("/inline")
    async def inline(tasks: BackgroundTasks) -> None:
        tasks.add_task(lambda: None)

    return app


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - with the one that is open for that


def held() -> tuple[int, int, int, int]:
    """Apps, what is open for them, who is told of forks, locks."""
    gc.collect()
    return len(this.apps.installed), len(this.apps.services), len(this.forks._alive()), len(this.files.locks)


def test_an_app_that_was_only_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks: list[object] = []
    app_with_task(tmp_path)
    monkeypatch.setattr(os, "register_at_fork", lambda **calls: hooks.append(calls))
    before, threads, open_before = held(), threading.active_count(), descriptors()
    apps = [app_with_task(tmp_path) for _ in range(MANY)]
    assert threading.active_count() <= threads, "one that an earlier test has left may have ended"
    assert descriptors() <= open_before
    assert not list(tmp_path.iterdir())
    del apps
    assert held() == before
    assert not hooks


@pytest.mark.outlast("real")
def test_a_lifespan_gives_back_all_it_has_opened(tmp_path: Path) -> None:
    def lives_once() -> None:
        with TestClient(app_with_task(tmp_path)) as client:
            assert client.get("/travels").status_code == 200

    lives_once()
    before, threads, open_before = held(), threading.active_count(), descriptors()
    for _ in range(5):
        lives_once()
    eventually(lambda: all(map(le, held(), before)), "no more is held than before")
    eventually(lambda: threading.active_count() <= threads, "their threads end")
    eventually(lambda: descriptors() <= open_before, "their descriptors are closed")


@pytest.mark.outlast("real")
def test_a_second_lifespan_of_an_app_is_served_as_the_first(tmp_path: Path) -> None:
    app = app_with_task(tmp_path)
    for _ in range(2):
        with TestClient(app) as client:
            assert client.get("/travels").status_code == 200
            watch = app.state.outlast.service.watch
            eventually(lambda: watch.box, "a black box is kept")  # noqa: B023 - asked for at once


REAL = """
import gc, os, threading, time
import outlast, pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient
from outlast.system.process import this

kept, seen = [], []

def work(n: int) -> None: ...

@pytest.mark.outlast("real")
@pytest.mark.parametrize("lifespan", [True, False])
@pytest.mark.parametrize("n", range(6))
def test_one(n, lifespan):
    app = FastAPI()
    outlast.install(app)
    kept.append(app)

    @app.get("/")
    def get(tasks: BackgroundTasks):
        tasks.add_task(work, 1)

    client = TestClient(app)
    if lifespan:
        with client:
            assert client.get("/").status_code == 200
    else:
        assert client.get("/").status_code == 200
    assert len(this.apps.services) <= 1

def own_threads():
    return [one.name for one in threading.enumerate() if one.name.startswith("outlast-")]

def test_end():
    deadline = time.monotonic() + 60
    while own_threads():
        assert time.monotonic() < deadline, own_threads()
        time.sleep(0.01)
    gc.collect()
    links = []
    for one in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{one}"))
        except OSError:
            continue
    assert not [one for one in links if "outlast" in one or "timerfd" in one], links
"""


@pytest.mark.slow
def test_mode_real_gives_back_all_after_each_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_real=REAL)
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=13)


@pytest.fixture
def _nobody_may_block() -> Iterator[None]:
    with blockbuster_ctx():
        yield


PATHS = pytest.mark.parametrize("path", ["/travels", "/inline", "/none"])


@PATHS
def test_nothing_blocks_the_loop_in_a_test(path: str, tmp_path: Path, _nobody_may_block: None) -> None:
    assert TestClient(app_with_task(tmp_path)).get(path).status_code in (200, 404)


@pytest.mark.outlast("real")
@pytest.mark.parametrize("lifespan", [True, False])
@PATHS
def test_nothing_blocks_the_loop_of_a_server(
    path: str, lifespan: bool, tmp_path: Path, _nobody_may_block: None
) -> None:
    client = TestClient(app_with_task(tmp_path))
    if lifespan:
        with client:
            assert client.get(path).status_code in (200, 404)
    else:
        assert client.get(path).status_code in (200, 404)


@pytest.mark.outlast("real")
def test_enqueue_does_not_block_the_loop(tmp_path: Path, _nobody_may_block: None) -> None:
    app = app_with_task(tmp_path)
    asyncio.run(app.state.outlast.enqueue(work, 1))
