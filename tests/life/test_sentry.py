"""What Sentry's SDK records of tasks, in the envelopes that it would send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.lines import whole_lines
from tests.support.marks import first_at_once
from tests.support.servers import Server, eventually, serving

APP = """
import os

import sentry_sdk
from fastapi import BackgroundTasks, FastAPI
from sentry_sdk.transport import Transport

import outlast


class Recorded(Transport):
    def capture_envelope(self, envelope):
        with open("envelopes", "a") as file:
            for item in envelope.items:
                file.write(item.get_bytes().decode() + "\\n")


if "RATE" in os.environ:
    sentry_sdk.init(
        dsn="http://key@localhost/1", transport=Recorded, traces_sample_rate=float(os.environ["RATE"]), **OPTIONS
    )
app = FastAPI()
if "PLAIN" not in os.environ:
    outlast.install(app)


def fail(name: str) -> None:
    sentry_sdk.set_tag("task", name)
    with sentry_sdk.start_span(op="db", name="SELECT"):
        headers = dict(sentry_sdk.get_current_scope().iter_trace_propagation_headers())
    with open("witness.log", "a") as file:
        file.write(f"{name} {headers.get('sentry-trace')} {headers.get('baggage')}\\n")
    raise ValueError(name)


async def afail(name: str) -> None:
    fail(name)


@app.get("/ping")
async def ping(): ...


@app.get("/orders/{name}")
async def orders(name: str, tasks: BackgroundTasks):
    tasks.add_task(fail if name == "def" else afail, name)
"""
STREAMED = '{"trace_lifecycle": "stream"}'


def laid_out(folder: Path, options: str = "{}") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "main.py").write_text(APP.replace("OPTIONS", options))
    return folder


def sent(server: Server) -> list[dict[str, Any]]:
    """What has been sent, an object for each item."""
    return [json.loads(line) for line in whole_lines(server.folder / "envelopes")]


def trace_of(one: dict[str, Any]) -> dict[str, Any]:
    trace: dict[str, Any] = one["contexts"]["trace"]
    return trace


def run(server: Server, name: str) -> tuple[list[str], list[dict[str, Any]]]:
    """What a task saw of the trace, and what has been sent of it and its request once its error was."""
    server.get(f"/orders/{name}")
    seen = server.wait_for(name)
    eventually(lambda: any("exception" in one for one in sent(server)), "its error is sent")
    return seen, sent(server)


@pytest.mark.parametrize("name", first_at_once(["def", "async"]))
def test_an_attempt_is_a_transaction_in_the_trace_of_its_request(name: str, tmp_path: Path) -> None:
    with serving("uvicorn", laid_out(tmp_path / "plain"), PLAIN="1", RATE="1") as server:
        seen, _ = run(server, name)
        assert seen[1].endswith("-1")  # the spans of a task are recorded, and what it requests carries its trace
        assert "sentry-sampled=true" in seen[2]
    with serving("uvicorn", laid_out(tmp_path / "with"), RATE="1") as server:
        seen, items = run(server, name)
        of_request, of_task = (transaction(server, operation) for operation in ("http.server", "queue.task"))
        (error,) = (one for one in items if "exception" in one)
        trace, span = trace_of(of_task), of_task["spans"][0]
        assert of_task["transaction"] == error["transaction"] == f"main:{'fail' if name == 'def' else 'afail'}"
        assert (trace["op"], trace["status"], of_task["transaction_info"]) == (
            *("queue.task", "internal_error"),
            {"source": "task"},
        )
        assert (trace["trace_id"], trace["parent_span_id"]) == (
            trace_of(of_request)["trace_id"],
            trace_of(of_request)["span_id"],
        )
        assert (span["op"], span["description"], span["parent_span_id"]) == ("db", "SELECT", trace["span_id"])
        assert seen[1] == f"{trace['trace_id']}-{span['span_id']}-1"
        assert "sentry-sampled=true" in seen[2]
        assert (trace_of(error)["span_id"], error["tags"]["task"]) == (trace["span_id"], name)


def transaction(server: Server, operation: str) -> dict[str, Any]:
    """The one with that `op`, once it is sent; not that of a request for the server's sign of life."""

    def found() -> list[dict[str, Any]]:
        transactions = [one for one in sent(server) if one.get("type") == "transaction"]
        return [one for one in transactions if trace_of(one)["op"] == operation and "ping" not in one["transaction"]]

    eventually(found, f"a transaction of {operation}")
    return found()[0]


@pytest.mark.slow
def test_spans_that_are_sent_one_by_one_are_in_a_segment_of_the_attempt(tmp_path: Path) -> None:
    with serving("uvicorn", laid_out(tmp_path, STREAMED), RATE="1") as server:
        server.get("/orders/async")
        server.wait_for("async")
        eventually(server.all_settled, server.output)
        server.stop()

        def spans() -> dict[str, Any]:
            return {one["name"]: one for item in sent(server) for one in item.get("items", ()) if "span_id" in one}

        eventually(lambda: "main:afail" in spans(), "the attempt's span is sent")
        attempt = spans()["main:afail"]
        assert attempt["attributes"]["sentry.op"]["value"] == "queue.task"
        assert attempt["status"] == "error"
        assert attempt["trace_id"] in {one["trace_id"] for name, one in spans().items() if name != "main:afail"}


@pytest.mark.slow
def test_where_the_request_was_not_sampled_the_attempt_is_not(tmp_path: Path) -> None:
    with serving("uvicorn", laid_out(tmp_path), RATE="0") as server:
        seen, items = run(server, "def")
        assert seen[1].endswith("-0")
        assert not [one for one in items if one.get("type") == "transaction"]
