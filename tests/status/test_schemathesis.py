"""What a machine tries on the routes that has read their OpenAPI."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import lay_out, serving

APP = """

def work(number: int = 1) -> dict[str, int]:
    return {"number": number}


LINKS = {
    name: {"operationId": operation, "parameters": {"task": "$response.body#/id"}}
    for name, operation in {
        "status": "outlast_task_tasks__task__get",
        "events": "outlast_task_events_tasks__task__events_get",
        "cancel": "cancel_task_tasks__task__delete",
    }.items()
}


@app.post("/order", status_code=202, responses={200: {"model": outlast.TaskStatus}, 202: {"links": LINKS}})
async def order() -> outlast.TaskStatus:
    return outlast.accepted(await outlast.enqueue(work))


app.include_router(outlast.router())
"""
OPERATIONS = r"^/(tasks|order)"
BY_DESIGN = "allow_header_conformance,use_after_free"
"""Starlette's answer to a method that there is not names those of one route only; who deletes here cancels."""


@pytest.mark.slow
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    with serving("uvicorn", lay_out(tmp_path, APP)) as server:
        url = f"http://127.0.0.1:{server.port}/openapi.json"
        options = ["--include-path-regex", OPERATIONS, "--exclude-checks", BY_DESIGN, "--max-examples", "25"]
        program = [str(Path(sys.executable).with_name("schemathesis")), "run", url, "--request-timeout", "60", *options]
        found = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=600)
        assert found.returncode == 0, found.stdout
        assert "Stateful" in found.stdout
        assert not [one for one in server.records() if one.state == "failed"]
