"""Requests that ask for a task with the same key: one task is stored, whoever asks, and it is lost for nobody."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from outlast.journal.read import Record
from tests.support.history import history_of
from tests.support.marks import first_at_once, slow
from tests.support.servers import PATIENCE, Server, eventually, lay_out, serving

DOCS = Path(__file__).parents[2] / "docs" / "keys.md"
TASKS = """

import asyncio
import os
from pathlib import Path
import outlast

from typing import Annotated

from fastapi import Depends, HTTPException


@outlast.task(key_for=3600)
def charge(name):
    witness("began", name, os.getpid())


def until(name):
    return Path(f"{name}.told").exists()


@app.post("/charge/{name}")
async def charged(name: str, key: Annotated[str | None, Depends(outlast.idempotency_key)]):
    handle = await outlast.options(key=key).enqueue(charge, name)
    return {"id": handle.id, "new": handle.is_new}


@app.post("/charge_sync/{name}")
def charged_sync(name: str, key: Annotated[str | None, Depends(outlast.idempotency_key)]):
    handle = outlast.options(key=key).enqueue_sync(charge, name)
    return {"id": handle.id, "new": handle.is_new}


@app.post("/refresh/{key}/{name}")
async def refresh(key: str, name: str, tasks: outlast.BackgroundTasks, status: int = 200, behind: str = ""):
    # who waits is told what to answer by a file
    handle = tasks.options(key=key).add_task(until_told, name)
    known_before = handle.is_new
    await handle.stored()
    if behind:
        tasks.add_task(ok, behind)
    witness("stored", name, os.getpid())
    while status != 200 and not until(f"{name}-{status}"):
        await asyncio.sleep(0.01)
    if status >= 400:
        raise HTTPException(status)
    return {"id": handle.id, "new": handle.is_new, "known_before": known_before}


@app.post("/at_the_end/{key}/{name}")
async def at_the_end(key: str, name: str, tasks: outlast.BackgroundTasks):
    tasks.options(key=key).add_task(until_told, name)
    tasks.add_task(ok, f"{name}-behind")


@app.post("/plain/{name}")
async def plain(name: str, tasks: BackgroundTasks):
    tasks.add_task(only_one, name)


async def is_slow_to_stop(name):
    witness("began", name)
    try:
        while not until(name):
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        while not until(name):
            await asyncio.sleep(0.01)
        raise


@app.post("/slow/{key}/{name}")
async def slow_one(key: str, name: str):
    handle = await outlast.options(key=key).enqueue(is_slow_to_stop, name)
    return {"id": handle.id, "new": handle.is_new}


@app.post("/cancel/{task}")
async def cancel(task: str):
    return await outlast.cancel(task)


@outlast.task(key="there is one of these")
def only_one(name):
    until_told(name)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = lay_out(tmp_path_factory.mktemp("keys"), TASKS)
    with serving("uvicorn --workers 2", folder) as server:
        yield server


def post(server: Server, path: str, key: str = "") -> tuple[int, Any]:
    """Status and answer of a request, on a connection of its own."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20 * PATIENCE)) as connection:
        connection.request("POST", path, headers={"Idempotency-Key": key} if key else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")


def posted(server: Server, path: str, key: str = "") -> Any:
    status, answer = post(server, path, key)
    assert status == 200, answer
    return answer


def soon(pool: ThreadPoolExecutor, server: Server, path: str) -> Future[tuple[int, Any]]:
    return pool.submit(post, server, path)


def of(server: Server, key: str) -> list[Record]:
    return history_of(server.journal).tasks(key=key)


def is_done(server: Server, key: str) -> bool:
    return [one.state for one in of(server, key)] == ["done"]


def test_fifty_requests_at_once_make_one_task(server: Server) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: posted(server, "/refresh/of-fifty/fifty"), range(50)))
    assert len({one["id"] for one in answers}) == 1
    assert [one["new"] for one in answers].count(True) == 1
    assert {one["known_before"] for one in answers} == {None}
    server.tell("fifty")
    eventually(lambda: is_done(server, "of-fifty"), server.output)
    assert server.times("began")["fifty"] == 1


@pytest.mark.parametrize("path", first_at_once(["/charge", "/charge_sync"]))
def test_a_request_that_is_repeated_gets_the_id_of_the_first(server: Server, path: str) -> None:
    key = f"8e03978e{path}"
    first = posted(server, f"{path}/{path[1:]}", f'"{key}"')
    assert first["new"] is True
    eventually(lambda: is_done(server, key), server.output)
    assert posted(server, f"{path}/{path[1:]}", key) == {"id": first["id"], "new": False}
    assert server.times("began")[path[1:]] == 1


def test_the_example_of_the_docs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "main.py").write_text(example + '\n\n@app.get("/ping")\ndef ping() -> None: ...\n')
    with serving("uvicorn", tmp_path) as server:
        status, first = post(server, "/payments/1", "one")
        assert (status, first["is_new"]) == (202, True)
        assert post(server, "/payments/1", "one") == (202, {"task": first["task"], "is_new": False})
        assert post(server, "/payments/1", "two")[1]["is_new"] is True
        assert post(server, "/feeds/news")[0] == 200


def test_without_a_key_each_is_new(server: Server) -> None:
    answers = [posted(server, "/charge/without") for _ in range(3)]
    assert len({one["id"] for one in answers}) == 3
    assert all(one["new"] for one in answers)


def test_who_joins_a_task_whose_request_fails_keeps_it(server: Server) -> None:
    with ThreadPoolExecutor(1) as pool:
        fails = soon(pool, server, "/refresh/kept/fails?status=418")
        server.wait_for("stored", "fails")
        second = posted(server, "/refresh/kept/second?behind=behind-second")
        assert second["new"] is False
        (first,) = of(server, "kept")
        assert second["id"] == first.id
        server.wait_for("began", "fails")
        server.tell("fails-418")
        assert fails.result()[0] == 418
    assert server.witnessed("ran", "behind-second") == [], "it is behind the one that runs"
    server.tell("fails")
    server.wait_for("ran", "behind-second")
    eventually(lambda: is_done(server, "kept"), server.output)
    assert f"task {first.id} main:until_told dropped" not in server.output


def test_who_fails_alone_takes_it_along_and_says_so(server: Server) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [soon(pool, server, f"/refresh/lost/{name}?status=418") for name in ("lost-one", "lost-two")]
        for name in ("lost-one", "lost-two"):
            server.wait_for("stored", name)
        (task,) = of(server, "lost")
        assert task.state == "held"
        server.tell("lost-one-418")
        server.tell("lost-two-418")
        assert [one.result()[0] for one in both] == [418, 418]
    eventually(lambda: [one.state for one in of(server, "lost")] == ["dropped"], server.output)
    (task,) = of(server, "lost")
    assert "418" in task.reason
    eventually(lambda: server.output.count(f"task {task.id} main:until_told dropped") == 1, server.output)


def test_what_is_added_alone_joins_too_when_its_response_starts(server: Server) -> None:
    first = posted(server, "/refresh/later/first")
    assert posted(server, "/at_the_end/later/joins") is None
    assert server.witnessed("ran", "joins-behind") == []
    server.tell("first")
    server.wait_for("ran", "joins-behind")
    assert [one.id for one in of(server, "later")] == [first["id"]]
    assert server.times("began")["joins"] == 0


def test_who_asks_while_a_cancelled_one_still_stops_gets_one_that_begins_behind_it(server: Server) -> None:
    first = posted(server, "/slow/anew/slow-first")
    server.wait_for("began", "slow-first")
    assert posted(server, f"/cancel/{first['id']}") is True
    second = posted(server, "/slow/anew/slow-second")
    assert second["new"] is True
    assert posted(server, "/slow/anew/slow-third") == {"id": second["id"], "new": False}
    server.tell("slow-second")
    server.tell("slow-first")
    eventually(lambda: sorted(one.state for one in of(server, "anew")) == ["cancelled", "done"], server.output)
    newest, oldest = of(server, "anew")
    assert (oldest.id, newest.id) == (first["id"], second["id"])
    assert (oldest.ended_at or 0) <= (newest.started_at or 0)


def test_a_key_of_a_function_holds_for_tasks_of_fastapi_too(server: Server) -> None:
    for _ in range(3):
        posted(server, "/plain/plain")
    server.tell("plain")
    eventually(lambda: is_done(server, "there is one of these"), server.output)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["uvicorn", *slow("gunicorn uvicorn_worker", "gunicorn asgi")])
def test_a_key_outlasts_the_death_of_everything(tmp_path: Path, kind: str) -> None:
    lay_out(tmp_path, TASKS)
    with serving(kind, tmp_path) as server:
        first = posted(server, "/charge/charged", "of-charge")
        refreshed = posted(server, "/refresh/of-refresh/refreshed")
        server.wait_for("began", "refreshed")
        eventually(lambda: is_done(server, "of-charge"), server.output)
        server.kill_everything()
    with serving(kind, tmp_path) as server:
        assert posted(server, "/charge/charged", "of-charge") == {"id": first["id"], "new": False}
        assert posted(server, "/refresh/of-refresh/refreshed")["id"] == refreshed["id"]
        server.tell("refreshed")
        eventually(lambda: is_done(server, "of-refresh"), server.output)
        assert server.times("began")["charged"] == 1


@pytest.mark.slow
def test_who_joined_is_served_when_the_worker_of_the_first_dies(tmp_path: Path) -> None:
    lay_out(tmp_path, TASKS)
    with serving("uvicorn --workers 2", tmp_path) as server, ThreadPoolExecutor(8) as pool:
        requests = [soon(pool, server, f"/refresh/held/held-{number}?status=418") for number in range(4)]
        held = [server.wait_for("stored", f"held-{number}") for number in range(4)]
        (task,) = of(server, "held")
        assert task.state == "held"
        os.kill(int(held[0][2]), signal.SIGKILL)
        eventually(lambda: of(server, "held")[0].state in ("waiting", "running"), server.output)
        for number in range(4):
            server.tell(f"held-{number}-418")
            server.tell(f"held-{number}")
        eventually(lambda: is_done(server, "held"), server.output)
        for one in requests:
            one.exception()
        assert sum(server.times("began")[f"held-{number}"] for number in range(4)) == 1
