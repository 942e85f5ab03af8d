"""What programs read: each command's `--json` is as docs/json/ says, of a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import click
import jsonschema_rs
import pytest
from click.testing import CliRunner

from outlast.cli import documents as documents_of
from outlast.cli.followed import Happened
from outlast.cli.main import cli
from outlast.journal.engines import open_history, open_journal
from outlast.journal.turn import Turn
from outlast.watch.incident import Cause, Flight, Incident, IncidentKind
from tests.support.servers import Server, eventually, lay_out, serving

DOCS = Path(__file__).parents[2] / "docs"
SCHEMAS = DOCS / "json"
APP = """

import outlast


@outlast.every(seconds=3600)
def hourly() -> None: ...


def tell(name: str) -> dict[str, str]:
    for _ in outlast.track(range(2)):
        print("it is", name)
    return {"told": name}


@app.get("/tell/{name}")
async def ask(name: str):
    return {"id": (await outlast.options(key=name).enqueue(tell, name)).id}


@app.get("/later")
async def ask_later():
    return {"id": (await outlast.options(delay=3600, queue="mail").enqueue(tell, "later")).id}


@app.get("/fail")
async def ask_failing():
    return {"id": (await outlast.enqueue(fail, "it")).id}
"""
COMMANDS = {
    # the documents of each
    "list": ["task"],
    "show DONE --log": ["task"],
    "show FAILED": ["task"],
    "wait DONE": ["task"],
    "tail DONE": ["line", "task"],
    "db export": ["task"],
    "status": ["status"],
    "top": ["top"],
    "explain": ["incident"],
    "explain 1": ["incident"],
    "queue list": ["queue"],
    "schedule list --all": ["schedule"],
    "db check": ["health"],
    "config": ["config"],
    "doctor main:app": ["doctor"],
    "schedule pause main:hourly": ["schedule-change"],
    "schedule resume main:hourly": ["schedule-change"],
    "schedule run main:hourly": ["schedule-change"],
    "cancel LATER GONE": ["change"],
    "retry AGAIN LATER": ["change"],
    "delete GONE": ["change"],
}
SAY_NO_MORE_THAN_A_LINE = {
    *("completion", "dashboard", "demo", "repeat", "stop", "worker", "queue pause", "queue resume"),
    *("db prune", "db vacuum", "db backup"),
}
BLOCKED = Incident(
    IncidentKind.STALL,
    Cause.BLOCKED,
    "web worker",
    4711,
    1.0,
    2.5,
    "send",
    "send blocked",
    "stack",
    (Flight("GET /", 1.0),),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("uvicorn", lay_out(tmp_path_factory.mktemp("json"), APP)) as server:
        yield server


@pytest.fixture(scope="module")
def names(server: Server) -> dict[str, str]:
    """The ids of tasks that are done, have failed, and wait; besides one runs, and a loop was blocked."""
    ids = {name: server.asked(f"/tell/{name}") for name in ("DONE", "GONE")}
    ids |= {name: server.asked("/fail") for name in ("FAILED", "AGAIN")} | {"LATER": server.asked("/later")}
    eventually(lambda: all(server.record(ids[one]).has_ended for one in ids if one != "LATER"), "all have ended")
    server.begin("until_told", "runs")
    with closing(open_journal(f"sqlite:///{server.journal}")) as journal:
        journal.turn(Turn(0, happened=[BLOCKED]))
    eventually(open_history(f"sqlite:///{server.journal}").schedules, "the schedule is known")
    return ids


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_command_prints_is_as_documented(server: Server, names: dict[str, str], command: str) -> None:
    printed = documents(server, *(names.get(word, word) for word in command.split()))
    assert printed
    for one in printed:
        named = one["schema"].partition("/")[0]
        assert named in COMMANDS[command]
        valid(named).validate(one)
    assert {one["schema"].partition("/")[0] for one in printed} == set(COMMANDS[command])


def documents(server: Server, *words: str) -> list[dict[str, Any]]:
    if words[0] == "doctor":
        program = [str(Path(sys.executable).with_name("outlast")), *words, "--json"]
        told = subprocess.run(program, cwd=server.folder, capture_output=True, text=True, check=False).stdout
    else:
        more = [] if words[:2] == ("db", "export") else ["--json"]
        url = ["--url", f"sqlite:///{server.journal}"]
        told = CliRunner().invoke(cli, [*words, *more, *url], catch_exceptions=False).stdout
    if words[0] == "tail" or words[:2] == ("db", "export"):
        return [json.loads(line) for line in told.splitlines()]
    found = json.loads(told)
    return found if isinstance(found, list) else [found]


def valid(name: str) -> jsonschema_rs.Validator:
    """By its schema, and with nothing that the schema does not have."""
    return jsonschema_rs.validator_for(strict(name), retriever=lambda uri: strict(uri.rpartition("/")[2]))


def strict(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = closed(json.loads((SCHEMAS / f"{name.removesuffix('.1.json')}.1.json").read_text()))
    return schema


def closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    more = {"additionalProperties": False} if "required" in schema and "additionalProperties" not in schema else {}
    return {name: closed(value) for name, value in schema.items()} | more


def test_what_has_happened_between_two_looks_is_as_documented(server: Server, names: dict[str, str]) -> None:
    record = server.record(names["FAILED"])
    (document,) = documents_of.news(Happened(record, record.events[-1]))
    valid("event").validate(document)


def test_every_command_that_reads_has_a_documented_json() -> None:
    asked = {" ".join(command.split()[:2]) for command in COMMANDS} | {command.split()[0] for command in COMMANDS}
    assert {path for path in commands(cli, ()) if path not in asked} == SAY_NO_MORE_THAN_A_LINE
    without = {path for path, one in commands(cli, ()).items() if "--json" not in options(one)}
    assert without == SAY_NO_MORE_THAN_A_LINE | {"db export"}


def commands(command: click.Command, path: tuple[str, ...]) -> dict[str, click.Command]:
    if not isinstance(command, click.Group):
        return {" ".join(path): command}
    context = click.Context(command)
    found: dict[str, click.Command] = {}
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        found |= commands(below, (*path, name))
    return found


def options(command: click.Command) -> set[str]:
    return {option for one in command.params for option in one.opts}


def test_each_document_is_on_the_page_and_each_field_is_described() -> None:
    page = (DOCS / "json.md").read_text()
    for file in SCHEMAS.iterdir():
        schema = json.loads(file.read_text())
        jsonschema_rs.meta.validate(schema)
        name = schema["properties"]["schema"]["const"]
        assert file.name == f"{name.replace('/', '.')}.json"
        assert f"[`{name}`](json/{file.name})" in page
        assert all(one.get("description") for one in schema["properties"].values()), file


def test_a_number_that_json_does_not_have_is_null(ids: list[str]) -> None:
    connection = apsw.Connection(".outlast/journal.db")
    connection.execute("UPDATE task SET created_at = 9e999, arguments = '[NaN, 9e999]'")
    connection.close()
    (one, *_) = json.loads(CliRunner().invoke(cli, ["list", "--json"]).stdout, parse_constant=pytest.fail)
    assert (one["created_at"], one["arguments"]) == (None, [None, None])
