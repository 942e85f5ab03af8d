"""What tasks print and log is kept of each attempt, bounded, and shown; log records say whose they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from outlast.cli.main import cli
from tests.support.servers import Server, eventually, lay_out, serving

TASKS = """

import logging
import threading

logger = logging.getLogger("shop")
logging.basicConfig(format="%(message)s task=%(outlast_task)s attempt=%(outlast_attempt)s", force=True)


@outlast.task(retries=1, backoff=0)
def speaks(name: str) -> None:
    number = outlast.current().number
    print("printed", name, number)
    print("aside", number, file=sys.stderr)
    logger.warning("logged %s", number, extra={"task_id": "of the user"})
    logger.info("nobody wants to hear it")
    outlast.current().log.info("said %s", number)
    outlast.current().log.debug("too quiet")
    outlast.current().log.info("%(row)s of a mapping", {"row": number})
    outlast.current().log.info("wrong %s %s", number)
    outlast.current().log.info("with %s", "traceback", exc_info=KeyError("missing"))
    logger.warning("wrong %s %s", number)
    if number == 1:
        try:
            1 / 0
        except ZeroDivisionError:
            logger.exception("it went wrong")
        raise ValueError("again")


async def beside(name: str) -> None:
    for row in range(20):
        print(f"{name} {row}")
        await asyncio.sleep(0.001)
        await asyncio.to_thread(print, f"{name} thread {row}")


async def floods(name: str) -> None:
    for row in range(200_000):
        print(row)


async def silent(name: str) -> None: ...


def escapes(name: str) -> None:
    print("red \\x1b[31m and a bell \\a")


def printing_until_told(name: str) -> None:
    print("begun")
    while not os.path.exists(f"{name}.told"):
        time.sleep(0.01)


@app.get("/log/{function}/{name}")
async def log(function: str, name: str):
    return {"id": (await outlast.enqueue(globals()[function], name)).id}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = lay_out(tmp_path_factory.mktemp("logs"), TASKS)
    with serving("uvicorn", folder, OUTLAST_MAX_LOG="4K") as server:
        yield server


def has_ended(server: Server, task: str) -> bool:
    return server.record(task).has_ended


def ended(server: Server, function: str, name: str) -> str:
    task = server.asked(f"/log/{function}/{name}")
    eventually(lambda: server.record(task).has_ended, server.output)
    return task


def logs(server: Server, task: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(cli, ["show", task, "--log", "--json", "--url", f"sqlite:///{server.journal}"])
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)["logs"]
    return found


def test_each_attempt_has_what_it_printed_and_logged(server: Server) -> None:
    task = ended(server, "speaks", "speaker")
    first, second = logs(server, task)
    assert (first["attempt"], second["attempt"]) == (1, 2)
    lines = first["text"].splitlines()
    assert lines[:2] == ["printed speaker 1", "aside 1"]
    assert lines[2].endswith("WARNING shop: logged 1")
    assert lines[3].endswith("INFO main: said 1")
    assert lines[4].endswith("INFO main: 1 of a mapping")
    assert lines[5].endswith("INFO main: with traceback")
    assert lines[6] == "KeyError: 'missing'"
    assert any(line.endswith("ERROR shop: it went wrong") for line in lines)
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert 'logger.warning("wrong %s %s", number)' in second["text"], "what goes wrong there costs the task nothing"
    assert "printed speaker 2\n" in second["text"]
    assert "nobody wants" not in first["text"] + second["text"]
    assert "too quiet" not in first["text"] + second["text"]
    assert first["text"].count("logged 1") == 1, "and not once more as its handler has written it"


def test_log_records_say_whose_they_are(server: Server) -> None:
    task = ended(server, "speaks", "named")
    eventually(lambda: f"logged 2 task={task} attempt=2" in server.output, server.output)
    assert f"logged 1 task={task} attempt=1" in server.output
    assert "printed named 1" in server.output, "it goes where it would, too"


def test_tasks_side_by_side_have_their_own(server: Server) -> None:
    tasks = {name: server.asked(f"/log/beside/{name}") for name in ("one", "two", "three")}
    for name, task in tasks.items():
        eventually(partial(has_ended, server, task), server.output)
        (kept,) = logs(server, task)
        wanted = [line for row in range(20) for line in (f"{name} {row}", f"{name} thread {row}")]
        assert kept["text"].splitlines() == wanted


def test_of_a_flood_the_end_is_kept(server: Server) -> None:
    (kept,) = logs(server, ended(server, "floods", "flood"))
    lines = kept["text"].splitlines()
    assert len(kept["text"]) <= 4096
    assert lines == [str(row) for row in range(200_000 - len(lines), 200_000)]
    printed = sum(len(str(row)) + 1 for row in range(200_000))
    assert kept["left_out"] + len(kept["text"]) == printed


def test_who_says_nothing_has_no_log(server: Server) -> None:
    assert logs(server, ended(server, "silent", "silent")) == []


def test_it_is_shown_while_it_runs_and_fit_for_a_terminal(server: Server) -> None:
    task = server.asked("/log/printing_until_told/watched")
    eventually(lambda: [one["text"] for one in logs(server, task)] == ["begun\n"], server.output)
    server.tell("watched")
    task = ended(server, "escapes", "colours")
    shown = CliRunner().invoke(cli, ["show", task, "--log", "--url", f"sqlite:///{server.journal}"]).stdout
    assert "attempt 1 has printed and logged:" in shown
    assert "\x1b" not in shown
    assert "red \\x1b[31m" in shown


def test_nothing_is_kept_where_the_setting_says_so(tmp_path: Path) -> None:
    folder = lay_out(tmp_path, TASKS)
    with serving("uvicorn", folder, OUTLAST_MAX_LOG="0") as server:
        assert logs(server, ended(server, "escapes", "unkept")) == []
