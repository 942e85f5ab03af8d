"""How a task has ended is said where FastAPI alone would have said it: in the log, with the app's own handlers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from tests.support.servers import Server, eventually, lay_out, serving

HANDLER = """

import json
import logging


class Alerts(logging.Handler):
    def emit(self, record):
        fields = {name: getattr(record, name) for name in ("task_id", "function", "attempt", "lane")}
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
            "raised": "ValueError",
        }


def test_an_end_that_no_code_of_the_app_sees_is_said_by_the_runner(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, OUTLAST_MAX_CRASHES="1") as server:
        server.add("crash", "it")
        settled(server)
        (record,) = server.records()
        said = rf"ERROR:    task {record.id} main:crash failed: it ended its process \d+"
        eventually(lambda: re.search(said, server.output), server.output)


FIELDS = ("task_id", "function", "attempt", "lane")
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
    "/refuse/it": [("WARNING", "main:ok", 0, "thread", "dropped: ")],
    "/regret/it": [("WARNING", "main:ok", 0, "thread", "dropped: cancelled")],
    "/enqueue-and-regret/it": [("INFO", "main:until_told", ANY, "thread", "cancelled")],  # it may have begun
}


@pytest.mark.parametrize("path", ENDS)
def test_each_end_is_heard_with_its_level_and_the_same_fields(tmp_path: Path, path: str) -> None:
    lay_out(tmp_path)
    (tmp_path / "fields.py").write_text(FORMATTER)
    (tmp_path / "log.json").write_text(json.dumps(CONFIG))
    with serving("uvicorn", tmp_path, "--log-config", "log.json", OUTLAST_GRACE="0.5") as server:
        server.get(path)
        settled(server)
        (record,) = server.records()
        eventually(lambda: len(ends_in(server)) == len(ENDS[path]), server.output)
        for found, (level, function, attempt, lane, words) in zip(ends_in(server), ENDS[path], strict=True):
            assert {key: found[key] for key in ("level", *FIELDS)} == {
                "level": level,
                "task_id": record.id,
                "function": function,
                "attempt": attempt,
                "lane": lane,
            }
            assert words in found["text"]


def ends_in(server: Server) -> list[dict[str, str]]:
    """The lines about ends, as the handler of the server's log has written them."""
    lines = [json.loads(line) for line in server.output.splitlines() if line.startswith('{"level"')]
    return [line for line in lines if line.get("task_id")]
