"""What a client is told whose task could not be stored, by an endpoint that lets it follow that."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import apsw
import httpx2
import pytest

from outlast.events.requests import REFUSED
from tests.support.marks import slow
from tests.support.servers import PATIENCE, Server, eventually, lay_out, serving

APP = """

import outlast


app.include_router(outlast.router())


@app.get("/accepted/{name}", status_code=202)
def accepted(name: str, tasks: outlast.BackgroundTasks):
    tasks.add_task(ok, name)
    return outlast.accepted(tasks.add_task(ok, name))


@app.get("/enqueued/{name}", status_code=202)
async def enqueued(name: str):
    return outlast.accepted(await outlast.enqueue(ok, name))


@app.get("/in-sync/{name}", status_code=202)
def in_sync(name: str):
    return outlast.accepted(outlast.enqueue_sync(ok, name))


@app.get("/caught/{name}")
async def caught(name: str):
    try:
        await outlast.enqueue(ok, name)
    except outlast.StoreFailed:
        return "its own answer"


@app.get("/early/{name}", status_code=202)
async def early(name: str, tasks: outlast.BackgroundTasks):
    await tasks.add_task(ok, name).stored()
    witness("stored", name)
    while not Path(f"{name}.told").exists():
        await asyncio.sleep(0.01)
    return outlast.accepted(tasks.add_task(ok, name))
"""


@contextmanager
def nobody_writes(server: Server) -> Iterator[None]:
    """Somebody else has the journal's write lock."""
    with closing(apsw.Connection(str(server.journal))) as connection:
        connection.set_busy_timeout(int(5000 * PATIENCE))
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@pytest.fixture(scope="module", params=["refuse", "inline"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = lay_out(tmp_path_factory.mktemp("unstored"), APP)
    settings = {"OUTLAST_ON_STORE_ERROR": request.param, "OUTLAST_STORE_DEADLINE": "3"}
    with serving("uvicorn", folder, **settings) as server:
        is_well(server, "begun")
        yield server


def asked(server: Server, path: str) -> httpx2.Response:
    return httpx2.get(f"http://127.0.0.1:{server.port}{path}", timeout=30 * PATIENCE)


def is_well(server: Server, name: str) -> None:
    """Tasks are stored, and run."""
    eventually(lambda: asked(server, f"/enqueued/{name}").status_code == 202, server.output)
    server.wait_for("ran", name)
    eventually(server.all_settled, server.output)


def ran(server: Server, name: str) -> bool:
    return bool(server.witnessed("ran", name))


@pytest.mark.parametrize("way", ["accepted", *slow("enqueued", "in-sync")])
def test_who_could_not_follow_a_task_is_told_to_come_again_and_nothing_runs(server: Server, way: str) -> None:
    with nobody_writes(server):
        answer = asked(server, f"/{way}/{way}")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
        assert asked(server, "/caught/caught").json() == "its own answer"
    is_well(server, f"after-{way}")
    assert not ran(server, way)
    assert "Traceback" not in server.output


def test_what_was_stored_before_that_is_dropped(server: Server) -> None:
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(asked, server, "/early/early")
        server.wait_for("stored", "early")
        with nobody_writes(server):
            server.tell("early")
            assert waiting.result().status_code == 503
    is_well(server, "after-early")
    assert not ran(server, "early")
    assert [one.state for one in server.records() if one.reason == REFUSED] == ["dropped"]
