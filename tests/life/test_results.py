"""What a task returned, and how it stands, as the code of the app is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from outlast.cli.main import cli
from tests.support.history import history_of
from tests.support.servers import PATIENCE, Server, eventually, lay_out, serving

TASKS = (
    f"""

PATIENCE = {PATIENCE}
"""
    + """
import threading
import asyncio
import os
import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import outlast
from fastapi import WebSocket
from pydantic import BaseModel


class Report(BaseModel):
    lines: int
    keys: tuple[UUID, ...]


@outlast.task(retries=1, backoff=0.1)
def count(lines: int) -> Report:
    with open("counted", "a") as file:
        file.write(".")
    if os.path.getsize("counted") == 1:
        raise ValueError("only at first")
    return Report(lines=lines, keys=(UUID(int=lines),))


async def nothing(lines: int) -> None: ...


async def untyped(lines: int):
    return {"lines": lines, "password": "hidden"}


def too_long(lines: int) -> list[int]:
    return list(range(lines))


class Unknown: ...


async def of_this_process(lines: int) -> object:
    return Unknown()


def broken(lines: int) -> int:
    raise KeyError("no line")


async def slow(lines: int) -> int:
    await asyncio.sleep(lines)
    return lines


async def when_told(lines: int) -> int:
    await until_told_async(str(lines))
    return lines


@outlast.task(travels=False)
def inline(lines: int) -> Report:
    return Report(lines=lines, keys=())


@app.get("/ask/{function}/{lines}")
async def ask(function: str, lines: int):
    return {"id": (await outlast.enqueue(globals()[function], lines)).id}


@app.get("/add/{lines}")
async def add(lines: int, tasks: BackgroundTasks):
    tasks.add_task(inline, lines)


def told(call):
    try:
        value = call()
        return {"value": repr(value)}
    except (outlast.OutlastError, TimeoutError) as error:
        return {"error": type(error).__name__, "says": str(error), "traceback": getattr(error, "traceback", "")}


@app.get("/result/{task}")
async def result(task: str, within: float = 20.0 * PATIENCE):
    try:
        value = await (await outlast.get(task)).result(within)
        return {"value": repr(value)}
    except (outlast.OutlastError, TimeoutError) as error:
        return {"error": type(error).__name__, "says": str(error), "traceback": getattr(error, "traceback", "")}


@app.get("/sync/{task}")
def result_sync(task: str, within: float = 20.0 * PATIENCE):
    return told(lambda: outlast.get_sync(task).result_sync(within))


@app.get("/status/{task}")
async def status(task: str):
    now = await (await outlast.get(task)).status()
    return {"state": now.state, "result": now.result, "has_ended": now.has_ended, "function": now.function}


@app.get("/find")
async def find(state: str, name: str):
    return [one.id for one in await outlast.find(state=state, name=name, since=timedelta(hours=1))]


@app.get("/find_sync")
def find_sync(state: str, name: str, seconds: float):
    return [one.id for one in outlast.find_sync(state=[state], name=name, since=timedelta(seconds=seconds))]


@app.get("/all/{count}")
async def wait_for_all(count: int):
    handles = [await outlast.enqueue(slow, 1) for _ in range(3)]
    waiting = [asyncio.create_task(handles[number % 3].result(30 * PATIENCE)) for number in range(count)]
    await asyncio.sleep(0)  # each of them has asked by then
    lookouts = (await threads()).count("outlast-lookout")
    return {"results": sum(await asyncio.gather(*waiting)), "lookouts": lookouts}


@app.get("/threads")
async def threads():
    return [thread.name for thread in threading.enumerate()]


@app.websocket("/talk")
async def talk(socket: WebSocket, tasks: outlast.BackgroundTasks):
    await socket.accept()
    await socket.send_json({"lines": (await tasks.add_task(count, 7).result(20 * PATIENCE)).lines})
    await socket.close()
"""
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("uvicorn", lay_out(tmp_path_factory.mktemp("results"), TASKS)) as server:
        yield server


def get(server: Server, path: str) -> Any:
    status, body = server.get(path, timeout=60)
    assert status == 200, body + server.output
    return json.loads(body)


def asked(server: Server, function: str, lines: int = 3) -> str:
    return str(get(server, f"/ask/{function}/{lines}")["id"])


def result(server: Server, function: str, lines: int = 3, way: str = "result") -> Any:
    """What the app is told of a new task."""
    return get(server, f"/{way}/{asked(server, function, lines)}")


REPORT = "Report(lines=3, keys=(UUID('00000000-0000-0000-0000-000000000003'),))"


@pytest.mark.parametrize("way", ["result", "sync"])
def test_a_result_comes_back_as_its_annotation_says(server: Server, way: str) -> None:
    assert result(server, "count", way=way) == {"value": REPORT}
    assert result(server, "untyped", way=way) == {"value": "{'lines': 3, 'password': 'hidden'}"}
    assert result(server, "nothing", way=way) == {"value": "None"}


@pytest.mark.parametrize("way", ["result", "sync"])
def test_a_failure_is_raised_with_its_traceback(server: Server, way: str) -> None:
    told = result(server, "broken", way=way)
    assert (told["error"], told["says"].partition(" failed: ")[2]) == ("TaskFailed", "KeyError: 'no line'")
    assert "in broken" in told["traceback"]


def test_what_is_not_kept_does_not_fail_its_task(server: Server) -> None:
    task = asked(server, "too_long", 100_000)
    told = get(server, f"/result/{task}")
    assert told["error"] == "NoResult"
    assert "is done, but its result is not kept: it is more than 65536 bytes of JSON" in told["says"]
    record = history_of(server.journal).task(task)
    assert (record.state, record.result) == ("done", "")
    assert record.reason in told["says"]
    told = result(server, "of_this_process")
    assert "its result is not kept: it is an instance of main.Unknown, which cannot travel" in told["says"]


@pytest.mark.parametrize(("way", "number"), [("result", 1), ("sync", 2)])
def test_waiting_ends_when_the_time_is_over_and_the_task_goes_on(server: Server, way: str, number: int) -> None:
    task = asked(server, "when_told", number)
    assert get(server, f"/{way}/{task}?within=0.05")["error"] == "TimeoutError"
    server.tell(str(number))
    assert get(server, f"/{way}/{task}") == {"value": str(number)}


def test_a_task_that_is_unknown_is_not_waited_for(server: Server) -> None:
    told = get(server, "/result/0000000000000")
    assert (told["error"], "no task 0000000000000 in the journal" in told["says"]) == ("TaskNotFound", True)


def test_an_inline_task_has_a_result_too(server: Server) -> None:
    get(server, "/add/3")
    eventually(lambda: get(server, "/find?state=done&name=main:inline"), "it is done")
    (task,) = get(server, "/find?state=done&name=main:inline")
    assert get(server, "/find_sync?state=done&name=main:inline&seconds=3600") == [task]
    assert get(server, "/find_sync?state=done&name=main:inline&seconds=-60") == []
    assert get(server, "/find_sync?state=failed&name=main:inline&seconds=3600") == []
    assert get(server, f"/result/{task}") == {"value": "Report(lines=3, keys=())"}


def test_status_leaves_out_what_is_secret(server: Server) -> None:
    task = asked(server, "untyped", 5)
    get(server, f"/result/{task}")
    assert get(server, f"/status/{task}") == {
        "state": "done",
        "result": '{"lines": 5, "password": "[redacted]"}',
        "has_ended": True,
        "function": "main:untyped",
    }


def test_one_thread_looks_for_all_who_wait_and_goes_with_them(server: Server) -> None:
    assert get(server, "/all/1000") == {"results": 1000, "lookouts": 1}
    eventually(lambda: "outlast-lookout" not in get(server, "/threads"), "it has gone")


@pytest.mark.slow
def test_a_result_outlasts_its_processes(tmp_path: Path) -> None:
    with serving("uvicorn", lay_out(tmp_path, TASKS)) as server:
        task = asked(server, "slow", 1)
        done = asked(server, "count")
        assert get(server, f"/result/{done}") == {"value": REPORT}
        server.kill_everything()
    with serving("uvicorn", tmp_path) as server:
        assert get(server, f"/result/{task}") == {"value": "1"}
        assert get(server, f"/result/{done}") == {"value": REPORT}


def test_the_example_of_the_docs_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
    lay_out(tmp_path, TASKS)
    (tmp_path / "main.py").write_text(page.partition("```python\n")[2].partition("```")[0] + PROBE)
    with serving("uvicorn", tmp_path) as server:
        task = get(server, "/order/2026")
        eventually(lambda: server.record(task).has_ended, server.output)  # the example waits for 30 s and no more
        assert get(server, f"/reports/{task}?wait=20") == {"year": 2026, "lines": 24_312}
        shown = CliRunner().invoke(cli, ["show", task, "--url", f"sqlite:///{server.journal}"])
        assert 'result     {"year": 2026, "lines": 24312}' in shown.output


PROBE = """

@app.get("/order/{year}")
async def order_by_get(year: int) -> str:
    return await order(year)


@app.get("/{path:path}")
async def others() -> None: ...
"""
