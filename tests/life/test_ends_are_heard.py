"""How a task has ended is said where FastAPI alone would have said it: in the log, with the app's own handlers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from tests.support.marks import each_started_once
from tests.support.servers import Server, eventually, lay_out, serving

HANDLER = """

import json
import logging


class Alerts(logging.Handler):
    def emit(self, record):
        fields = {name: getattr(record, name) for name in ("task_id", "function", "attempt", "lane", "queue")}
        fields["raised"] = type(record.exc_info[1]).__name__
        with open("alerts.jsonl", "a") as file:
            file.write(json.dumps(fields) + chr(10))


logging.getLogger("outlast").addHandler(Alerts(logging.ERROR))
"""


def settled(server: Server) -> None:
    eventually(server.all_settled, f"all have ended; {server.output}")


def test_a_task_that_raises_leaves_its_traceback_in_the_log(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.add("fail", "it")
        settled(server)
        (record,) = server.records()
        eventually(lambda: "\nValueError: it fails" in server.output, server.output)
        assert f"task {record.id} main:fail failed on attempt 1\nTraceback (most recent call last):" in server.output


def test_the_apps_own_handlers_hear_of_it_with_the_task_as_fields(tmp_path: Path) -> None:
    lay_out(tmp_path)
    with (tmp_path / "main.py").open("a") as app:
        app.write(HANDLER)
    with serving("uvicorn", tmp_path) as server:
        server.add("fail", "it")
        settled(server)
        (record,) = server.records()
        alerts = tmp_path / "alerts.jsonl"
        eventually(lambda: alerts.exists() and alerts.read_text().endswith("\n"), server.output)
        (heard,) = map(json.loads, alerts.read_text().splitlines())
        assert heard == {
            "task_id": record.id,
            "function": "main:fail",
            "attempt": 1,
            "lane": "thread",
            "queue": "",
            "raised": "ValueError",
        }


SLOW_HANDLER = """

import logging
import time


class Slow(logging.Handler):
    def emit(self, record):
        while outlast.in_task_process() and record.function == "main:fail":
            time.sleep(0.01)  # until its process has ended


logging.getLogger("outlast").addHandler(Slow(logging.ERROR))


@app.get("/add-both")
async def add_both(background_tasks: BackgroundTasks):
    background_tasks.add_task(fail, "first")
    background_tasks.add_task(leave, "second")
"""


def test_a_failure_is_said_by_the_runner_if_its_process_dies_while_it_is_logged(tmp_path: Path) -> None:
    lay_out(tmp_path, SLOW_HANDLER)
    with serving("uvicorn", tmp_path, OUTLAST_MAX_CRASHES="1") as server:
        server.get("/add-both")
        settled(server)
        (failed,) = [one for one in server.records() if one.function == "main:fail"]
        said = f"ERROR:    task {failed.id} main:fail failed: ValueError: first fails"
        eventually(lambda: said in server.output, server.output)
        assert (failed.state, failed.attempt, server.output.count(said)) == ("failed", 1, 1)


def test_an_end_that_no_code_of_the_app_sees_is_said_by_the_runner(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_MAX_CRASHES="1") as server:
        server.add("crash", "it")
        settled(server)
        (record,) = server.records()
        said = rf"ERROR:    task {record.id} main:crash failed: it ended its process \d+"
        eventually(lambda: re.search(said, server.output), server.output)


FIELDS = ("task_id", "function", "attempt", "lane", "queue")
IN_QUEUE = """

import datetime

mail = outlast.options(queue="mail")


@app.get("/mail/{function}/{name}")
async def to_mail(function: str, name: str, timeout: float | None = None, retries: int = 0):
    options = mail.options(timeout=timeout, retries=retries, backoff=0)
    await options.enqueue(TASKS[function], name, *([60.0] if timeout else []))


@app.get("/mail-dropped/{name}")
async def mail_dropped(name: str, tasks: outlast.BackgroundTasks):
    tasks.options(queue="mail").add_task(ok, name)
    raise HTTPException(409)


@app.get("/mail-expired/{name}")
async def mail_expired(name: str):
    when = datetime.datetime.now() + datetime.timedelta(hours=1)
    await mail.options(run_at=when, expires=0.1).enqueue(ok, name)


@app.get("/mail-cancelled/{name}")
async def mail_cancelled(name: str):
    await (await mail.options(delay=60).enqueue(ok, name)).cancel()
"""
FORMATTER = f"""
import json
import logging


class Fields(logging.Formatter):
    def format(self, record):
        fields = {{name: getattr(record, name, None) for name in {FIELDS}}}
        return json.dumps({{"level": record.levelname, "text": record.getMessage(), **fields}})
"""
CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"fields": {"()": "fields.Fields"}},
    "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "fields"}},
    "loggers": {"outlast": {"level": "DEBUG", "handlers": ["lines"]}},
}
ENDS: dict[str, list[tuple[str, str, Any, str, str]]] = {
    "/add/ok/it": [("DEBUG", "main:ok", 1, "thread", "done")],
    "/add/fail/it": [("ERROR", "main:fail", 1, "thread", "failed on attempt 1")],
    "/add/crash/it": [
        ("WARNING", "main:crash", 1, "thread", "waits again: it ended its process"),
        ("ERROR", "main:crash", 2, "thread", "failed: it ended its process"),
    ],
    "/handle/sleep/it?timeout=0.5": [("ERROR", "main:sleep", 1, "thread", "failed: it took longer than its timeout")],
    "/handle/sleep_async/it?timeout=0.5": [
        ("ERROR", "main:sleep_async", 1, "loop", "failed: it took longer than its timeout")
    ],
    "/add/await_what_was_cancelled/it": [("ERROR", "main:await_what_was_cancelled", 1, "loop", "failed on attempt 1")],
    "/add/wait_for_what_was_cancelled/it": [
        ("ERROR", "main:wait_for_what_was_cancelled", 1, "thread", "failed on attempt 1")
    ],
    "/refuse/it": [("WARNING", "main:ok", 0, "thread", "dropped: ")],
    "/regret/it": [("WARNING", "main:ok", 0, "thread", "dropped: cancelled")],
    "/enqueue-and-regret/it": [("INFO", "main:until_told", ANY, "thread", "cancelled")],  # it may have begun
    "/mail/ok/it": [("DEBUG", "main:ok", 1, "thread", "done")],
    "/mail/fail/it?retries=1": [
        ("WARNING", "main:fail", 1, "thread", "is tried again (retry 1 of 1)"),
        ("ERROR", "main:fail", 2, "thread", "failed on attempt 2"),
    ],
    "/mail/crash/it": [
        ("WARNING", "main:crash", 1, "thread", "waits again: it ended its process"),
        ("ERROR", "main:crash", 2, "thread", "failed: it ended its process"),
    ],
    "/mail/sleep/it?timeout=0.5": [("ERROR", "main:sleep", 1, "thread", "failed: it took longer than its timeout")],
    "/mail-dropped/it": [("WARNING", "main:ok", 0, "thread", "dropped: ")],
    "/mail-expired/it": [("WARNING", "main:ok", 0, "thread", "dropped: ")],
    "/mail-cancelled/it": [("INFO", "main:ok", 0, "thread", "cancelled")],
}


@pytest.fixture(scope="module", params=each_started_once(["uvicorn"]))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its handler writes one line of JSON for each record."""
    folder = tmp_path_factory.mktemp("heard")
    lay_out(folder, IN_QUEUE)
    (folder / "fields.py").write_text(FORMATTER)
    (folder / "log.json").write_text(json.dumps(CONFIG))
    with serving(request.param, folder, "--log-config", "log.json", OUTLAST_GRACE="0.5") as server:
        yield server


@pytest.mark.parametrize("path", ENDS)
def test_each_end_is_heard_with_its_level_and_the_same_fields(server: Server, path: str) -> None:
    before = {record.id for record in server.records()}
    server.get(path)
    eventually(lambda: {record.id for record in server.records()} - before, f"it is stored; {server.output}")
    settled(server)
    (task,) = {record.id for record in server.records()} - before
    eventually(lambda: len(ends_of(server, task)) == len(ENDS[path]), server.output)
    for found, (level, function, attempt, lane, words) in zip(ends_of(server, task), ENDS[path], strict=True):
        assert {key: found[key] for key in ("level", *FIELDS)} == {
            "level": level,
            "task_id": task,
            "function": function,
            "attempt": attempt,
            "lane": lane,
            "queue": "mail" if path.startswith("/mail") else "",
        }
        assert words in found["text"]


def ends_of(server: Server, task: str) -> list[dict[str, str]]:
    """The lines about how a task has ended, as the handler of the server's log has written them."""
    lines = [json.loads(line) for line in server.output.splitlines() if line.startswith('{"level"')]
    return [line for line in lines if line.get("task_id") == task]
