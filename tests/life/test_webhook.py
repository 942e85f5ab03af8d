"""The example of a webhook receiver: repeated requests, a death of everything, and a step that fails."""

from __future__ import annotations

import http.client
import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.lines import whole_lines
from tests.support.servers import PATIENCE, Server, eventually, serving

EXAMPLE = Path(__file__).parents[2] / "examples" / "webhook"


def exemplary(folder: Path) -> Path:
    shutil.copy(EXAMPLE / "main.py", folder / "main.py")
    with (folder / "main.py").open("a") as app:
        app.write('\n\n@app.get("/ping")\nasync def ping() -> None: ...\n')
    return folder


def sent(server: Server, cents: int, event: str = "evt-1", **headers: str) -> dict[str, Any]:
    """The answer to a payment that is told of."""
    body = json.dumps({"id": event, "order": 7, "cents": cents})
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10 * PATIENCE)) as connection:
        connection.request("POST", "/webhooks/payments", body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        document: dict[str, Any] = json.loads(answer.read())
        assert answer.status == 202, document
        return document


def lines(folder: Path, name: str) -> list[str]:
    return whole_lines(folder / name)


def test_an_event_is_dealt_with_once_however_often_it_is_sent(tmp_path: Path) -> None:
    with serving("uvicorn", exemplary(tmp_path)) as server:
        first = sent(server, 1250, **{"Idempotency-Key": "evt-1"})
        again = sent(server, 1250, **{"Idempotency-Key": '"evt-1"'})
        assert (first["is_new"], again) == (True, {"task": first["task"], "is_new": False})
        server.kill_everything()
    with serving("uvicorn", tmp_path) as server:
        assert sent(server, 1250) == again
        eventually(lambda: server.record(first["task"]).has_ended, server.output)
        assert sent(server, 1250) == again
        eventually(server.all_settled, server.output)
        assert len(server.records()) == 3
    assert lines(tmp_path, "ledger.csv") == ["evt-1,7,1250"]
    assert lines(tmp_path, "sent.txt") == ["shop@example.org Order 7: 12.50 paid."]


def test_a_step_that_fails_raises_the_alarm_and_what_is_nothing_does_not(tmp_path: Path) -> None:
    with serving("uvicorn", exemplary(tmp_path)) as server:
        last = sent(server, -1)["task"]
        eventually(lambda: lines(tmp_path, "alarms.txt"), server.output)
        (alarm,) = lines(tmp_path, "alarms.txt")
        assert alarm.startswith(f"{last} it was to run after task ")
        assert "(main:write_receipt), which has failed: " in alarm
        nothing = sent(server, 0, event="evt-2")["task"]
        eventually(lambda: server.record(nothing).has_ended, server.output)
        assert server.record(nothing).state == "cancelled"
        eventually(server.all_settled, server.output)
    assert len(lines(tmp_path, "alarms.txt")) == 1
    assert lines(tmp_path, "sent.txt") == []
