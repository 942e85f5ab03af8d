"""Whether a function shares module state takes a look into the source: a response waits for it, its loop never."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI, WebSocket

import outlast
from outlast.functions import functions as module
from outlast.source.module_state import shares_state
from outlast.source.sources import Sources
from outlast.web import hook
from tests.support.servers import PATIENCE
from tests.web.calling import Served

jobs: dict[str, int] = {}
opened = threading.Event()


def shares(name: str) -> None:
    jobs[name] = 1


def free(name: str) -> None: ...


def safely(function: Callable[..., Any], name: str) -> None:
    function(name)


class Book:
    def __init__(self) -> None:
        self.names: list[str] = []

    def write(self, name: str) -> None:
        self.names.append(name)

    def show(self, name: str) -> None: ...


book = Book()


@pytest.fixture(autouse=True)
def looks_wait(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No look ends before `opened` is set, and none is taken on the event loop that may set it."""

    def look(function: Callable[..., Any], sources: Sources) -> str:
        assert threading.current_thread() is not threading.main_thread()
        assert opened.wait(20 * PATIENCE)
        return shares_state(function, sources)

    opened.clear()
    monkeypatch.setattr(module, "shares_state", look)
    yield
    opened.set()
    hook.uninstall()


async def let_them_look() -> None:
    await asyncio.sleep(0.05)
    opened.set()


@pytest.fixture
def served() -> Served:
    app = FastAPI()
    others: set[asyncio.Task[None]] = set()

    def later() -> None:
        others.add(asyncio.get_running_loop().create_task(let_them_look()))

    @app.get("/stock")
    async def stock(tasks: BackgroundTasks) -> None:
        later()
        tasks.add_task(shares, "a")
        tasks.add_task(free, "b")

    @app.get("/ours")
    async def ours(tasks: outlast.BackgroundTasks) -> None:
        later()
        tasks.add_task(shares, "a")
        tasks.options(timeout=5).add_task(free, "b")

    @app.get("/stock/methods")
    async def stock_methods(tasks: BackgroundTasks) -> None:
        later()
        tasks.add_task(book.write, "a")
        tasks.add_task(book.show, "b")

    @app.get("/ours/methods")
    async def our_methods(tasks: outlast.BackgroundTasks) -> None:
        later()
        tasks.add_task(book.write, "a")
        tasks.add_task(book.show, "b")

    @app.get("/stock/passed")
    async def stock_passed(tasks: BackgroundTasks) -> None:
        later()
        tasks.add_task(safely, shares, "a")
        tasks.add_task(safely, free, "b")

    @app.get("/ours/passed")
    async def ours_passed(tasks: outlast.BackgroundTasks) -> None:
        later()
        tasks.add_task(safely, shares, "a")
        tasks.add_task(safely, name="b", function=free)

    @app.websocket("/socket/passed")
    async def socket_passed(websocket: WebSocket, tasks: outlast.BackgroundTasks) -> None:
        await websocket.accept()
        tasks.add_task(safely, shares, "a")

    @app.websocket("/socket")
    async def socket(websocket: WebSocket, tasks: outlast.BackgroundTasks) -> None:
        await websocket.accept()
        tasks.add_task(shares, "a")

    return Served(app)


def lanes_of(served: Served) -> list[tuple[str, str]]:
    changes = [change for event in served.events for change in event.get("changes", ())]
    adds = [change for change in changes if change["kind"] == "NewTask"]
    return [(task["function"].rpartition(":")[2], str(task["lane"])) for task in adds]


@pytest.mark.parametrize("path", ["/stock", "/ours"])
def test_a_response_waits_until_it_is_known_how_its_tasks_run(served: Served, path: str) -> None:
    """It is another step of the same event loop that lets the look go on."""
    assert served.get(path).status == 200
    assert lanes_of(served) == [("shares", "inline"), ("free", "thread")]
    assert jobs.pop("a") == 1


@pytest.mark.parametrize("path", ["/stock/methods", "/ours/methods"])
def test_it_waits_for_methods_too(served: Served, path: str) -> None:
    assert served.get(path).status == 200
    assert [lane for _, lane in lanes_of(served)] == ["inline", "thread"]
    assert book.names.pop() == "a"


@pytest.mark.parametrize("path", ["/stock/passed", "/ours/passed"])
def test_it_waits_for_functions_that_are_passed_too(
    served: Served, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert served.get(path).status == 200
    assert [lane for _, lane in lanes_of(served)] == ["inline", "thread"]
    assert "is passed a function that cannot be stored: tests.web.test_looks:shares changes `jobs" in caplog.text
    assert jobs.pop("a") == 1


@pytest.mark.parametrize(("path", "stored"), [("/socket", "shares"), ("/socket/passed", "safely")])
def test_what_cannot_wait_is_stored_to_travel_and_that_is_said(
    served: Served, caplog: pytest.LogCaptureFixture, path: str, stored: str
) -> None:
    served.websocket(path)
    assert lanes_of(served) == [(stored, "thread")]
    opened.set()
    asyncio.run(served.store.functions.look_into([shares]))
    assert "before its source had been looked into" in caplog.text
