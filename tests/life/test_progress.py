"""Tasks that say how far they have come, and go on where they were: under real servers, and when all is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from outlast.cli.main import cli
from outlast.journal.read import Record
from outlast.tasks.progress import Progress
from tests.support.servers import Server, eventually, lay_out, serving

EXAMPLE = Path(__file__).parents[2] / "examples" / "report"
TASKS = """

import asyncio
import os
import outlast

import threading


def counts(name, attempt: outlast.Attempt):
    for number in range(200_000):
        attempt.progress(number + 1, 200_000, name)


async def waits(name):
    attempt = outlast.current()
    witness("resumed", name, attempt.number, attempt.resume)
    attempt.checkpoint([attempt.number])
    attempt.progress(1, 4, "at rest")  # not before the checkpoint: whoever sees it knows that this is stored
    await until_told_async(name)


async def fails(attempt: outlast.Attempt, name):
    witness("resumed", name, attempt.number, attempt.resume)
    attempt.checkpoint(attempt.number * 10)
    if attempt.number < 3:
        raise OSError("not now")


async def loops(name):
    async def rows():
        for row in range(5):
            yield row

    async for row in outlast.track(rows(), total=5):
        witness("row", name, row)


def keeps_too_much(name):
    try:
        outlast.current().checkpoint("x" * 70_000)
    except outlast.NotStorable as error:
        witness("refused", name, error)


@outlast.task(travels=False)
def inline(name, attempt: outlast.Attempt):
    for row in outlast.track(range(3)):
        attempt.checkpoint(row)
    witness("inline", name, attempt.number, attempt.resume)


@app.get("/ask/{function}/{name}")
async def ask(function: str, name: str, tasks: outlast.BackgroundTasks):
    return {"id": tasks.options(retries=5, backoff=0).add_task(globals()[function], name).id}


@app.get("/share/{task}")
async def share(task: str):
    found = await (await outlast.get(task)).status()
    return found.progress and found.progress.share


@app.get("/inline/{name}")
async def ask_inline(name: str, tasks: BackgroundTasks):
    tasks.add_task(inline, name)


async def until_told_async(name):
    while not os.path.exists(f"{name}.told"):
        await asyncio.sleep(0.01)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("uvicorn", lay_out(tmp_path_factory.mktemp("progress"), TASKS)) as server:
        yield server


def done(server: Server, task: str) -> Record:
    """Its record, once it has ended, and well."""
    eventually(lambda: server.record(task).state not in ("held", "waiting", "running"), server.output)
    assert server.record(task).state == "done", server.record(task)
    return server.record(task)


def printed(server: Server, *command: str) -> str:
    """What a command of `outlast` prints."""
    return CliRunner().invoke(cli, [*command, "--url", f"sqlite:///{server.journal}"]).stdout


def test_the_last_of_many_calls_is_known_at_the_end(server: Server) -> None:
    assert done(server, server.asked("/ask/counts/many")).progress == Progress(200_000, 200_000, "many")


def test_it_is_known_while_it_runs(server: Server) -> None:
    task = server.asked("/ask/waits/rest")
    eventually(lambda: server.record(task).progress == Progress(1, 4, "at rest"), server.output)
    assert printed(server, "list").splitlines()[1].endswith("main:waits  1 of 4 (25%), at rest")
    assert "progress   1 of 4 (25%), at rest" in printed(server, "show", task)
    assert json.loads(printed(server, "show", task, "--json"))["progress"] == {"done": 1, "total": 4, "note": "at rest"}
    assert server.get(f"/share/{task}") == (200, "0.25")
    server.tell("rest")
    done(server, task)


def test_an_async_loop_is_tracked(server: Server) -> None:
    assert done(server, server.asked("/ask/loops/loop")).progress == Progress(5, 5)
    assert len(server.witnessed("row", "loop")) == 5


def test_a_retry_after_an_error_goes_on_too(server: Server) -> None:
    done(server, server.asked("/ask/fails/failing"))
    assert server.witnessed("resumed", "failing") == [
        ["resumed", "failing", "1", "None"],
        ["resumed", "failing", "2", "10"],
        ["resumed", "failing", "3", "20"],
    ]


def test_too_large_a_checkpoint_is_refused_where_it_is_made(server: Server) -> None:
    done(server, server.asked("/ask/keeps_too_much/large"))
    (words,) = server.witnessed("refused", "large")
    assert "more than the 64 KiB" in " ".join(words)


def test_inline_the_same_calls_work(server: Server) -> None:
    assert server.get("/inline/here")[0] == 200
    assert server.wait_for("inline", "here") == ["inline", "here", "0", "None"]


def test_when_its_process_is_killed_it_goes_on_where_it_was(server: Server) -> None:
    task = server.asked("/ask/waits/killed")
    eventually(lambda: server.record(task).progress, server.output)
    for pid in server.living("child"):
        os.kill(pid, signal.SIGKILL)
    assert server.wait_for("resumed", "killed", "2") == ["resumed", "killed", "2", "[1]"]
    server.tell("killed")
    done(server, task)


def exemplary(folder: Path) -> Path:
    shutil.copy(EXAMPLE / "main.py", folder / "main.py")
    with (folder / "main.py").open("a") as app:
        app.write('\n\n@app.get("/ping")\nasync def ping() -> None: ...\n')
        app.write(
            '\n\n@app.get("/make/{name}")\nasync def make(name: str, background_tasks: BackgroundTasks) -> None:\n'
        )
        app.write("    await report(name, background_tasks)\n")
    return folder


@pytest.mark.slow
def test_the_example_has_each_order_once_whatever_is_killed_in_the_middle(tmp_path: Path) -> None:
    given = {"REPORT_ORDERS": "120", "REPORT_SECONDS": "0.02"}

    def so_far(server: Server) -> float:
        return max((one.progress.done for one in server.records() if one.progress), default=0.0)

    with serving("uvicorn", exemplary(tmp_path), **given) as server:
        assert server.get("/make/march")[0] == 200
        eventually(lambda: so_far(server) >= 20, server.output)
        for pid in server.living("child"):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: server.records()[0].attempt == 2 and so_far(server) >= 50, server.output)
        server.kill_everything()
    with serving("uvicorn", tmp_path, **given) as server:
        eventually(server.all_settled, server.output)
        (one,) = server.records()
    assert (one.state, one.attempt, one.progress) == ("done", 3, Progress(120, 120, "march.csv"))
    lines = [line.split(",") for line in (tmp_path / "march.csv").read_text().splitlines()]
    assert [line[:2] for line in lines] == [[str(order), str(order * 7 % 100)] for order in range(120)]
    attempts = [line[2] for line in lines]
    assert attempts == sorted(attempts)
    assert set(attempts) == {"attempt 1", "attempt 2", "attempt 3"}
