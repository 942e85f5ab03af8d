"""The test modes, and the pytest plugin that chooses them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import BackgroundTasks as FastApiTasks
from fastapi import FastAPI, HTTPException, WebSocket
from fastapi.testclient import TestClient
from starlette.background import BackgroundTask
from starlette.responses import Response

import outlast
from outlast.process import this
from outlast.request import hook
from tests.doorway.recording import RecordingStore, install

pytest_plugins = ("pytester",)

SUITE = """
import asyncio
import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient
import outlast
from outlast.process import this

app = FastAPI()
outlast.install(app)
sent = []

def mail(address: str, subject: str = "hello") -> None:
    sent.append(address)

async def fail(name: str) -> None:
    raise ValueError(name)

@app.get("/mail")
async def endpoint(tasks: BackgroundTasks):
    tasks.add_task(mail, "a@example.org")
    tasks.add_task(mail, address="b@example.org", subject="again")

@app.get("/fail")
async def failing(tasks: BackgroundTasks, ours: outlast.BackgroundTasks):
    tasks.add_task(fail, "first")
    ours.add_task(fail, "second")

@pytest.fixture(autouse=True)
def forget():
    sent.clear()

def test_inline_is_the_default():
    assert this.mode == "inline"
    TestClient(app).get("/mail")
    assert sent == ["a@example.org", "b@example.org"]

def test_mocks_work(monkeypatch):
    seen = []
    monkeypatch.setitem(globals(), "mail", lambda *args, **kwargs: seen.append(args))
    TestClient(app).get("/mail")
    assert seen == [("a@example.org",), ()]

def test_failures_surface():
    with pytest.raises(ExceptionGroup) as failures:
        TestClient(app).get("/fail")
    assert sorted(map(str, failures.value.exceptions)) == ["first", "second"]

def test_manual(outlast_tasks):
    TestClient(app).get("/mail")
    assert sent == []
    first, second = outlast_tasks.all()
    assert first.function is mail
    assert second.arguments == {"address": "b@example.org", "subject": "again"}
    outlast_tasks.assert_added(mail, address="a@example.org", subject="hello")
    with pytest.raises(pytest.fail.Exception, match="no background task mail.*; there are: mail"):
        outlast_tasks.assert_added(mail, address="c")
    with pytest.raises(pytest.fail.Exception):
        outlast_tasks.assert_added(fail)
    outlast_tasks.drain()
    assert sent == ["a@example.org", "b@example.org"]
    assert outlast_tasks.all() == []

def test_drain_raises(outlast_tasks):
    TestClient(app).get("/fail")
    with pytest.raises(ExceptionGroup):
        outlast_tasks.drain()

def test_drain_on_a_loop(outlast_tasks):
    TestClient(app).get("/mail")
    asyncio.run(outlast_tasks.drain_async())
    assert sent == ["a@example.org", "b@example.org"]

def test_nothing_is_left_of_the_test_before(outlast_tasks):
    assert outlast_tasks.all() == []

@pytest.mark.outlast("manual")
def test_marker():
    assert this.mode == "manual"

@pytest.mark.outlast("inlin")
def test_typo():
    pass

@pytest.mark.outlast("inline")
def test_contradiction(outlast_tasks):
    pass
"""


def test_plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(test_suite=SUITE)
    arguments = [] if _is_installed() else ["-p", "outlast.testing"]
    result = pytester.runpytest_subprocess(*arguments, "--strict-markers", "-W", "error")
    result.assert_outcomes(passed=8, errors=2)
    result.stdout.fnmatch_lines(["*takes one of 'inline', 'manual', 'real'*", "*asks for 'inline'*"])
    assert not (pytester.path / ".outlast").exists()


def _is_installed() -> bool:
    from importlib.metadata import entry_points

    return any(point.value == "outlast.testing" for point in entry_points(group="pytest11"))


def test_the_plugin_imports_neither_a_web_framework_nor_the_journal() -> None:
    code = "import sys, outlast.testing; print(*sys.modules)"
    path = str(Path(outlast.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={"PYTHONPATH": path}
    )
    assert {"starlette", "fastapi", "pydantic", "apsw", "asyncio"}.isdisjoint(run.stdout.split())


ran: list[str] = []


def note(name: str) -> None:
    ran.append(name)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Of an app under Starlette's TestClient, where nobody has said how tasks are to run."""
    monkeypatch.setattr(this, "mode", "")
    ran.clear()
    app = FastAPI()
    events: list[dict[str, object]] = []
    install(app, RecordingStore(events.append))

    @app.get("/")
    async def endpoint(tasks: FastApiTasks) -> None:
        tasks.add_task(note, "task")

    @app.get("/refused")
    async def refused(tasks: FastApiTasks) -> None:
        tasks.add_task(note, "task")
        raise HTTPException(418)

    @app.get("/replaced")
    async def replaced() -> None:
        Response(background=BackgroundTask(note, "task"))
        raise HTTPException(418)

    @app.websocket("/socket")
    async def socket(websocket: WebSocket, tasks: FastApiTasks, ours: outlast.BackgroundTasks) -> None:
        await websocket.accept()
        tasks.add_task(note, "task")
        ours.add_task(note, "explicit")

    yield TestClient(app)
    hook.uninstall()
    assert events == []


def test_the_test_client_alone_is_enough_for_mode_inline(client: TestClient) -> None:
    client.get("/")
    assert ran == ["task"]


@pytest.mark.parametrize("path", ["/refused", "/replaced"])
def test_dropped_tasks_do_not_run_in_mode_inline(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 418
    assert ran == []


def test_websockets_in_mode_inline(client: TestClient) -> None:
    with client.websocket_connect("/socket"):
        pass
    assert ran == ["task", "explicit"]


def test_lifespan_in_mode_inline_opens_nothing(client: TestClient) -> None:
    with client:
        client.get("/")
    assert ran == ["task"]
