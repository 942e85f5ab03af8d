"""What an outsider sends, or a task raises, costs one task: on a real server, with a runner and task processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from outlast.journal.read import Record
from outlast.watch.incident import IncidentKind
from outlast.wire.frames import packed
from tests.support.history import history_of
from tests.support.marks import slow
from tests.support.servers import Server, eventually, serving

OUTLAST = str(Path(sys.executable).with_name("outlast"))
APP = Path(__file__).with_name("app.py")
COMMANDS = (["list"], ["list", "--json"], ["status"], ["status", "--json"], ["explain"], ["explain", "--json"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(APP, tmp_path / "main.py")
    return tmp_path


def states(server: Server) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for record in server.records():
        found.setdefault(record.function.partition(":")[2], []).append(record.state)
    return found


def of(server: Server, name: str) -> Record:
    record = next(one for one in server.records() if one.function == f"main:{name}")
    return history_of(server.journal).task(record.id)


HUNG_UP = {
    "hangs_up": "ended itself, since its connection to the runner|it had closed its connection to the runner",
    "closes_all": "ended itself, since its event loop had broken",
}
"""Who has no processor does not hear that it has hung up: then the runner ends it."""


def is_fit_for_a_terminal(text: str) -> bool:
    return all(letter.isprintable() or letter == "\n" for letter in text)


def test_status_tells_what_is_not_written(folder: Path) -> None:
    with serving("uvicorn", folder) as server:
        assert server.get("/run/fine")[0] == 200
        eventually(server.all_settled, f"{states(server)}")
        nothing = {"runner": {}, "put_back": 0, "web": {}, "hindrance": ""}
        eventually(lambda: json.loads(status(folder, "--json"))["backlog"] == nothing, "the runner answers in time")
        with socket.socket(socket.AF_UNIX) as web:
            web.connect(str(server.journal.parent / "runner.sock"))
            web.sendall(packed({"type": "backlog", "waiting": 7}))
            said = f"web worker {os.getpid()} has 7 changes waiting that the journal has not taken yet"
            eventually(lambda: said in status(folder), "it is told")
        eventually(lambda: said not in status(folder), "who has gone has nothing")


@pytest.mark.parametrize("way", ["hangs_up", *slow("closes_all")])
def test_a_process_that_hangs_up_on_the_runner_is_not_said_to_be_killed_from_outside(folder: Path, way: str) -> None:
    with serving("uvicorn", folder) as server:
        assert server.get(f"/run/{way}")[0] == 200
        eventually(lambda: of(server, way).state == "failed", server.output, within=40)
        deaths = [one.sentence for one in history_of(server.journal).incidents() if one.kind == IncidentKind.DEATH]
        assert len(deaths) == 2
        assert not any("from outside" in one for one in deaths), deaths
        assert all(re.search(HUNG_UP[way], one) for one in deaths), deaths
        assert re.search(HUNG_UP[way], of(server, way).reason)


def status(folder: Path, *more: str) -> str:
    return subprocess.run([OUTLAST, "status", *more], cwd=folder, capture_output=True, check=True, text=True).stdout


@pytest.mark.slow
def test_odd_requests_and_odd_tasks_cost_themselves_only(folder: Path) -> None:
    with serving("uvicorn", folder) as server:
        worker = server.get("/ping")[1]
        for path in ("/fail/odd", "/fail/mute", "/at/%0a%5B2026-01-01%5D%20forged%1b%5b2J%00%ff%e2%80%ae"):
            assert server.get(path)[0] in (200, 500)
        for name in ("odd", "mute", "mute_on_loop", "long", "inline_mute"):
            assert server.get(f"/run/{name}")[0] == 200, server.output
        for _ in range(3):
            assert server.get("/run/fine")[0] == 200, server.output
        eventually(server.all_settled, f"{states(server)}\n{server.output[-5000:]}", within=60)
        assert states(server) == {
            "fine": ["done"] * 4 + ["dropped"] * 2,
            **{name: ["failed"] for name in ("odd", "mute", "mute_on_loop", "long", "inline_mute")},
        }
        assert server.get("/ping")[1] == worker
        assert "caf\\udce9 \\x00\\x1b[2J\\u202e" in of(server, "odd").reason
        assert of(server, "mute").reason == of(server, "mute_on_loop").reason == "Mute: (it gives no text)"
        assert "in mute\n    raise Mute\n" in of(server, "mute").events[-1].traceback
        assert "characters left out" in of(server, "long").reason
        assert [one for one in history_of(server.journal).incidents() if one.kind == IncidentKind.DEATH] == []
        assert "damaged" not in server.output
        ours = [line for line in server.output.splitlines() if "outlast" in line or "inline" in line]
        assert all(line.isprintable() for line in ours)
        for command in (*COMMANDS, *(["show", record.id] for record in server.records())):
            said = subprocess.run([OUTLAST, *command], cwd=folder, capture_output=True, check=True)
            text = (said.stdout + said.stderr).decode()
            assert is_fit_for_a_terminal(text), command
            assert len(text) < 300_000, command
            assert not [line for line in text.splitlines() if line.startswith(("[2026", "forged"))]
