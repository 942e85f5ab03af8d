"""The test modes, and the pytest plugin that chooses them."""

from __future__ import annotations

import logging
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
from outlast.system.process import this
from outlast.web import hook
from tests.web.recording import RecordingStore, install

pytest_plugins = ("pytester",)

SUITE = """
import asyncio
import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient
import outlast
from outlast.system.process import this

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


def test_a_filter_that_fails_when_an_end_is_logged_fails_no_request(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[object] = []

    def refuse(record: logging.LogRecord) -> bool:
        if hasattr(record, "task_id"):
            seen.append(record)
            raise RuntimeError("a filter of the app's")
        return True

    caplog.set_level(logging.DEBUG, "outlast")
    log = logging.getLogger("outlast")
    log.addFilter(refuse)
    try:
        assert client.get("/").status_code == 200
    finally:
        log.removeFilter(refuse)
    assert (ran, len(seen)) == (["task"], 1)


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


RESULTS = """
import asyncio
import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
import outlast

app = FastAPI()
outlast.install(app)
value = object()

def give(what: str):
    if what == "fail":
        raise KeyError(what)
    return value

async def give_async(what: str):
    return give(what)

@app.websocket("/talk")
async def talk(socket: WebSocket, tasks: outlast.BackgroundTasks):
    await socket.accept()
    await socket.send_json(await tasks.add_task(asyncio.sleep, 0, "slept").result(30))

@app.get("/{what}")
async def endpoint(what: str, tasks: outlast.BackgroundTasks):
    handle = tasks.add_task(give_async, what)
    return handle.id

def test_the_own_value_of_the_function():
    for function in (give, give_async):
        assert outlast.enqueue_sync(function, "it").result_sync() is value
        assert asyncio.run(asked(function)) is value
    task = TestClient(app).get("/it").json()
    assert outlast.get_sync(task).result_sync() is value
    assert asyncio.run(state_of(task)) == "done"

async def asked(function):
    return await (await outlast.enqueue(function, "it")).result()

async def state_of(task):
    return (await (await outlast.get(task)).wait(1)).state

def test_a_failure():
    with pytest.raises(KeyError):
        TestClient(app).get("/fail")
    with pytest.raises(KeyError):
        outlast.enqueue_sync(give, "fail")
    found = outlast.find_sync(state="failed")
    assert [one.function.partition(":")[2] for one in found] == ["give", "give_async"]
    with pytest.raises(outlast.TaskFailed, match="KeyError: 'fail'") as failed:
        outlast.get_sync(found[0].id).result_sync()
    assert "in give" in failed.value.traceback
    with pytest.raises(outlast.OptionError, match="there is no state 'fail': there are held,"):
        outlast.find_sync(state="fail")

def test_manual(outlast_tasks):
    handle, other = outlast.enqueue_sync(give, "it"), outlast.enqueue_sync(give, "fail")
    task = TestClient(app).get("/it").json()
    assert handle.status_sync().state == "waiting"
    keyed = outlast.options(key="k").enqueue_sync(give, "it")
    assert [one.id for one in outlast.find_sync(key="k")] == [keyed.id]
    assert outlast.find_sync(key="other") == []
    with pytest.raises(TimeoutError, match="drain"):
        handle.result_sync(5)
    with pytest.raises(KeyError):
        outlast_tasks.drain()
    assert handle.result_sync() is outlast.get_sync(task).result_sync() is value
    assert other.wait_sync().state == "failed"

def test_nothing_is_left_of_the_test_before():
    assert outlast.find_sync() == []
    with pytest.raises(outlast.TaskNotFound):
        outlast.get_sync(5)

@pytest.mark.outlast("real")
def test_real():
    with TestClient(app) as client:
        assert outlast.find_sync() == []
        with pytest.raises(outlast.TaskNotFound):
            outlast.get_sync(5)
        assert outlast.enqueue_sync(asyncio.sleep, 0, "slept").result_sync(30) == "slept"
        assert outlast.find_sync(state=["done"])[0].result == '"slept"'
        keyed = outlast.options(key="k").enqueue_sync(asyncio.sleep, 0)
        assert [one.id for one in outlast.find_sync(key="k")] == [keyed.id]
        with client.websocket_connect("/talk") as talk:
            assert talk.receive_json() == "slept"
"""


def test_results_in_each_mode(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(test_suite=RESULTS)
    arguments = [] if _is_installed() else ["-p", "outlast.testing"]
    pytester.runpytest_subprocess(*arguments, "--strict-markers", "-W", "error").assert_outcomes(passed=5)


STATUS = """
import outlast
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

app = FastAPI()
outlast.install(app)
app.include_router(outlast.router(reasons=True))

def octets() -> bytes:
    return b"\\xff"

def pair():
    return 1, 2

@app.post("/{name}", status_code=202)
def ask(name: str, tasks: outlast.BackgroundTasks):
    return outlast.accepted(tasks.add_task(globals()[name]))

def events(client, task):
    text = client.get(task["events_url"]).text
    return [line for line in text.splitlines() if line.startswith(("event", ":"))]

def test_manual(outlast_tasks):
    with TestClient(app) as client:
        task = client.post("/octets").json()
        assert events(client, task) == ["event: state"], "no time passes while somebody waits"
        outlast_tasks.drain()
        assert events(client, task) == ["event: done"]
        assert client.get(task["status_url"]).json()["result"] == "_w=="

def test_inline():
    with TestClient(app) as client:
        task = client.post("/pair").json()
        told = client.get(task["status_url"]).json()
        assert (told["state"], told["result"]) == ("done", None)
        assert "its result is not kept: it is a tuple" in told["reason"], "as on a server"
"""


@pytest.mark.slow
def test_status_in_each_mode(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(test_suite=STATUS)
    arguments = [] if _is_installed() else ["-p", "outlast.testing"]
    pytester.runpytest_subprocess(*arguments, "--strict-markers", "-W", "error").assert_outcomes(passed=2)
