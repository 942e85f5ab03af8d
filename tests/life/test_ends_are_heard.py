"""How a task has ended is said where FastAPI alone would have said it: in the log, with the app's own handlers."""

from __future__ import annotations

import json
import re
from pathlib import Path

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
