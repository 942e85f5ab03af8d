"""The dashboard of a real server, beside what it shows: processes that live, tasks that run, loops that are blocked."""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.marks import each_started_once
from tests.support.servers import PATIENCE, Server, eventually, lay_out, serving

MORE = """
app.mount("/outlast", outlast.dashboard(app, guard=lambda request: True))


@app.get("/asked/{function}/{name}")
async def asked(function: str, name: str, tasks: outlast.BackgroundTasks):
    return {"id": tasks.add_task(globals()[function], name).id}
"""
OUTLAST = str(Path(sys.executable).with_name("outlast"))
OTHERS = ["uvicorn --workers 2", "gunicorn uvicorn_worker", "gunicorn asgi"]
FROM_HERE = {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module", params=each_started_once(["uvicorn", *OTHERS], slow=OTHERS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(request.param, lay_out(tmp_path_factory.mktemp("board"), MORE)) as server:
        yield server


def page(server: Server, path: str) -> str:
    status, body = server.get(f"/outlast{path}")
    assert status == 200, body
    return body


def change(port: int, path: str, fields: Mapping[str, str], headers: Mapping[str, str] = FROM_HERE) -> int:
    """Send a form; the status of the answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10 * PATIENCE)) as connection:
        connection.request("POST", path, urlencode(fields), dict(headers))
        return connection.getresponse().status


def rows(html: str) -> dict[int, str]:
    """What is shown of each process, by its pid."""
    parts = re.split(r'id="process-(\d+)"', html)
    return {int(pid): text for pid, text in zip(parts[1::2], parts[2::2], strict=True)}


def test_a_process_is_shown_with_what_it_runs(server: Server) -> None:
    task = server.asked("/asked/until_told_async/shown")
    pid = int(server.wait_for("began", "shown")[2])
    eventually(lambda: task in rows(page(server, "/workers")).get(pid, ""), "it is shown")
    shown = rows(page(server, "/workers"))
    assert f"task process {pid}" in shown[pid]
    assert "answers" in shown[pid]
    web = server.living("web")
    assert web
    assert all(f"web worker {one}" in shown[one] for one in web)
    eventually(lambda: all("answers" in rows(page(server, "/workers"))[one] for one in web), "their own loops, too")
    assert rows(page(server, "/")).keys() == shown.keys()
    server.tell("shown")


def test_an_event_loop_that_is_blocked_is_shown_while_it_is(server: Server) -> None:
    server.asked("/asked/block_until_told/blocking")
    pid = int(server.wait_for("began", "blocking")[2])
    eventually(lambda: "blocked for" in rows(page(server, "/workers")).get(pid, ""), "it is shown")
    eventually(lambda: "by <code>until_told (" in rows(page(server, "/workers"))[pid], "it is shown")
    server.tell("blocking")
    eventually(lambda: "blocked for" not in rows(page(server, "/workers"))[pid], "it goes on")
    _, worst, _, _ = re.findall(r'<td class="number">([^<]*)</td>', rows(page(server, "/workers"))[pid])
    span, unit = worst.split()
    assert unit in ("s", "min") or float(span) > 300, (
        "its worst lag is what was shown, without the time to the next beat"
    )
    eventually(lambda: incidents_with(server, "until_told"), "the incident is there")
    assert "How to mend it" in incidents_with(server, "until_told")[0]


def incidents_with(server: Server, words: str) -> list[str]:
    """The pages of those that have these words in them; a machine that is busy has others, too."""
    numbers = re.findall(r'/incidents/(\d+)"', page(server, "/incidents"))
    return [found for number in numbers if words in (found := page(server, f"/incidents/{number}"))]


def test_to_look_lets_go_of_no_lock(server: Server) -> None:
    """A process that closes a file drops all its locks on it, by which others know that it lives."""
    before = server.living("web")
    boxes = list((server.folder / ".outlast").glob("web-*.box"))
    assert before
    assert boxes
    for path in ("/", "/workers", "/system"):
        page(server, path)
    assert server.living("web") == before
    assert all(is_locked(box) for box in boxes)


def is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        question = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind: int = struct.unpack("hhqqi", fcntl.fcntl(descriptor, fcntl.F_GETLK, question))[0]
        return kind != fcntl.F_UNLCK
    finally:
        os.close(descriptor)


def test_a_failed_task_that_is_run_again_runs(server: Server) -> None:
    task = server.asked("/asked/fail/again")
    eventually(lambda: server.record(task).state == "failed", server.output)
    assert change(server.port, "/outlast/change", {"verb": "retry", "task": task}) == 303
    eventually(lambda: server.record(task).attempt == 2, server.output)
    eventually(lambda: server.record(task).state == "failed", server.output)
    assert len(server.witnessed("began", "again")) == 2


def test_a_failed_task_runs_as_a_new_one_beside_it(server: Server) -> None:
    task = server.asked("/asked/fail/anew")
    eventually(lambda: server.record(task).state == "failed", server.output)
    assert change(server.port, "/outlast/repeat", {"task": task}) == 303
    eventually(lambda: len(server.witnessed("began", "anew")) == 2, server.output)
    assert server.record(task).attempt == 1


def test_what_a_task_prints_is_on_its_page(server: Server) -> None:
    task = server.asked("/asked/say/loud")
    server.wait_for("ran", "loud")
    eventually(lambda: "said loud" in page(server, f"/tasks/{task}"), "what it has printed is shown")


def test_a_task_that_runs_is_told_to_stop(server: Server) -> None:
    task = server.asked("/asked/clean_up_async/stopped")
    server.wait_for("began", "stopped")
    assert change(server.port, "/outlast/change", {"verb": "cancel", "task": task}) == 303
    server.wait_for("cleaned", "stopped")
    eventually(lambda: server.record(task).state == "cancelled", server.output)


def test_another_site_changes_nothing(server: Server) -> None:
    task = server.asked("/asked/fail/elsewhere")
    eventually(lambda: server.record(task).state == "failed", server.output)
    headers = FROM_HERE | {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    assert change(server.port, "/outlast/change", {"verb": "delete", "task": task}, headers) == 403
    assert server.record(task).state == "failed"


def test_alone_it_shows_the_journal_to_who_has_its_address(server: Server) -> None:
    """As `outlast dashboard` serves it, beside the server."""
    task = server.asked("/asked/ok/alone")
    command = [OUTLAST, "dashboard", "--url", f"sqlite:///{server.journal}"]
    with subprocess.Popen(command, cwd=server.folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/\?key=[\w-]{40,})", address)
            assert found, address
            port = int(found[1])
            assert got(port, "/tasks")[0] == 403
            status, headers, _ = got(port, found[2])
            assert status == 303
            cookie = {"cookie": headers["set-cookie"].partition(";")[0]}
            eventually(lambda: task in got(port, "/tasks", cookie)[2], "the task is shown")
            process.send_signal(signal.SIGINT)
            process.wait(10 * PATIENCE)
        finally:
            process.kill()


def got(port: int, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, Mapping[str, str], str]:
    """Status, headers and body of one answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10 * PATIENCE)) as connection:
        connection.request("GET", path, headers=dict(headers or {}))
        answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, named, answer.read().decode()
