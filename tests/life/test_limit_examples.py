"""The examples of limits, as their READMEs say: tenants take turns, and mail goes out no faster than it may."""

from __future__ import annotations

import http.client
import json
import re
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from tests.life.test_limits import larges_first
from tests.support.lines import whole_lines
from tests.support.servers import PATIENCE, Server, eventually, serving

ROOT = Path(__file__).parents[2]
PING = '\n\n@app.get("/ping")\nasync def ping() -> None: ...\n'


def laid_out(folder: Path, source: str) -> Path:
    (folder / "main.py").write_text(source + PING)
    return folder


def exemplary(folder: Path, name: str) -> Path:
    return laid_out(folder, (ROOT / "examples" / name / "main.py").read_text())


def post(server: Server, path: str, body: Any = None) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20 * PATIENCE)) as connection:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")


@pytest.mark.slow
def test_tenants_take_turns(tmp_path: Path) -> None:
    with serving("uvicorn", exemplary(tmp_path, "fairness"), EXPORT_SECONDS="0.02") as server:
        assert post(server, "/exports/large?count=200") == (202, {"exports": 200})
        assert post(server, "/exports/small?count=5") == (202, {"exports": 5})
        before = len(served(tmp_path))  # not earlier: a starved web worker takes seconds to store them
        eventually(server.all_settled, server.output, within=60)
        assert Counter(served(tmp_path)) == {"large": 200, "small": 5}
        assert larges_first(served(tmp_path), before) < 50, "the small one was done long before"


def served(folder: Path) -> list[str]:
    """Whose exports have been written, in their order."""
    return [line.split()[0] for line in whole_lines(folder / "exports.log")]


class Mailbox(socketserver.ThreadingTCPServer):
    """A small SMTP server. It takes each mail at the second try, and none for `gone@…`."""

    daemon_threads = allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.tried: list[tuple[float, str]] = []
        self.taken: list[str] = []
        self.at_once = self.most_at_once = 0
        self.counting = threading.Lock()

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self.counting:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            with self.counting:
                self.at_once -= 1


class Conversation(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        with self.server.counted():
            self._say("220 mailbox")
            for line in takewhile(lambda line: line.strip().upper() != b"QUIT", self.rfile):
                self._answer(line.decode().strip())
        self._say("221 bye")  # not before: with that answer the client's task is over, and the next one may begin

    def _answer(self, line: str) -> None:
        match line.upper().split(":")[0].split(" ")[0]:
            case "RCPT":
                self._say(self._asked(re.findall(r"<(.+)>", line)[0]))
            case "DATA":
                self._say("354 go on")
                text = "".join(iter(lambda: self.rfile.readline().decode(), ".\r\n"))
                self.server.taken.append(re.findall(r"^To: (.+?)\r?$", text, re.MULTILINE)[0])
                self._say("250 taken")
            case _:
                self._say("250 yes")

    def _asked(self, to: str) -> str:
        with self.server.counting:
            self.server.tried.append((time.time(), to))
            count = sum(name == to for _, name in self.server.tried)
        if to.startswith("gone"):
            return "550 no such user"
        return "250 yes" if count > 1 else "450 busy, try again"

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


def test_mail_is_tried_again_and_goes_out_no_faster_than_it_may(tmp_path: Path) -> None:
    source = (ROOT / "examples" / "mail" / "main.py").read_text()
    laid_out(tmp_path, source.replace("backoff(first=1, factor=3", "backoff(first=0.1, factor=3"))
    recipients = [f"user{number}@example.com" for number in range(15)]
    with Mailbox() as mailbox:
        threading.Thread(target=mailbox.serve_forever, daemon=True).start()
        port = str(mailbox.server_address[1])
        with serving("uvicorn", tmp_path, SMTP_HOST="127.0.0.1", SMTP_PORT=port) as server:
            asked_at = time.time()
            assert post(server, "/newsletter", [*recipients, "gone@example.com"]) == (202, {"mails": 16})
            eventually(server.all_settled, server.output, within=60)
            states = {json.loads(one.arguments)["to"]: (one.state, one.attempt) for one in server.records()}
        mailbox.shutdown()
    assert states == {"gone@example.com": ("cancelled", 1), **dict.fromkeys(recipients, ("done", 2))}
    assert sorted(mailbox.taken) == sorted(recipients), "each once"
    assert mailbox.most_at_once <= 3
    times = [at for at, _ in mailbox.tried]
    assert len(times) == 31
    assert max(times) - asked_at >= 26 / 20, "all but the few that make up for a late one, however late the first is"


def test_the_example_of_the_docs_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "queues.md").read_text(), re.DOTALL)
    with serving("uvicorn", laid_out(tmp_path, example)) as server:
        assert post(server, "/exports/7/2026")[0] == 200
        eventually(server.all_settled, server.output)
        assert sorted((one.function, one.state, one.queue) for one in server.records()) == [
            ("main:export", "done", ""),
            ("main:send", "done", "mail"),
        ]
