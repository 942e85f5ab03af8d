"""The article's app under the servers it is meant for, stock and with outlast."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support.marks import each_started_once, slow
from tests.support.servers import HEALTHCHECK, PATIENCE

T = TypeVar("T")

ARTICLE = Path(__file__).parents[1] / "examples" / "article"
LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[(\d+)\] \[(INFO|WARNING)\] (.*)")
GUNICORN = [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", "-w", "1", "-t", "60", "main:app", "-k"]
UVICORN = [sys.executable, "-m", "uvicorn", "main:app", "--port", "0"]
SERVERS = {
    "uvicorn": UVICORN,
    "uvicorn with 2 workers": [*UVICORN, "--workers", "2", *HEALTHCHECK],
    "gunicorn with uvicorn_worker": [*GUNICORN, "uvicorn_worker.UvicornWorker"],
    "gunicorn with uvicorn.workers": [*GUNICORN, "uvicorn.workers.UvicornWorker"],
    "gunicorn with asgi": [*GUNICORN, "asgi"],
}
ALIKE = ["gunicorn with uvicorn_worker", "gunicorn with uvicorn.workers"]


class ServedArticle:
    """The running app: its answers and its log."""

    def __init__(self, log: Path) -> None:
        self._log = log
        match = until(lambda: re.search(r"http://127\.0\.0\.1:(\d+)", self.log()), "the server says its port")
        self.port = int(match[1])
        until(self._answers, "the server answers")

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def app_lines(self) -> list[tuple[str, str, str]]:
        """pid, level and text of the lines in the app's own format that the app wrote."""
        found = [LINE.fullmatch(line) for line in self.log().splitlines()]
        lines = [(match[1], match[2], match[3]) for match in found if match]
        return [line for line in lines if re.match(r"Started GET|Completed GET|Action", line[2])]

    def get(self, target: str) -> tuple[int, object]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10 * PATIENCE)
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            return self.get("/")[0] == 200
        except (OSError, HTTPException):
            return False


def until(look: Callable[[], T | None], what: str, limit: float = 30.0) -> T:
    deadline = time.monotonic() + limit * PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {limit * PATIENCE:g} s in vain until {what}")


@contextmanager
def served(command: list[str], folder: Path, **environment: str) -> Iterator[ServedArticle]:
    log = folder / "server.log"
    # gunicorn keeps a control socket there, by default one for all servers of a user.
    variables = os.environ | {"XDG_RUNTIME_DIR": str(folder), "OUTLAST_URL": f"sqlite:///{folder}/journal.db"}
    variables |= {"OUTLAST_STORE_DEADLINE": "9"}  # the first task makes the journal, also on a busy machine
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ARTICLE,
            env=variables | environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield ServedArticle(log)
    finally:
        process.terminate()
        try:
            process.wait(10 * PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module", params=each_started_once(SERVERS, slow=ALIKE))
def article(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedArticle]:
    folder = tmp_path_factory.mktemp("article")
    with served(SERVERS[request.param], folder, ARTICLE_OUTLAST="0", ARTICLE_SECONDS="0.2") as running:
        yield running


@pytest.mark.parametrize("action", [1, 2, 3])
def test_an_action_is_answered_and_its_task_says_when_it_has_finished(article: ServedArticle, action: int) -> None:
    assert article.get(f"/?action={action}") == (200, {"msg": f"Hello World, Action: {action}"})

    assert [level for _, level, _ in _finished(article, action)] == ["WARNING"]


def test_without_an_action_it_only_says_hello(article: ServedArticle) -> None:
    assert article.get("/") == (200, {"msg": "Hello World"})


def test_an_action_that_does_not_exist_is_refused_and_the_log_has_its_status(article: ServedArticle) -> None:
    status, _ = article.get("/?action=4")

    assert status == 422
    assert until(lambda: _lines_with(article, "Completed GET /?action=4 with 422"), "the end is logged")


def test_each_request_is_logged_with_time_zone_pid_and_level(article: ServedArticle) -> None:
    article.get("/?mark=1")

    completed = until(lambda: _lines_with(article, "Completed GET /?mark=1 with 200"), "the end is logged")
    started = _lines_with(article, "Started GET /?mark=1")

    assert [(pid, level) for pid, level, _ in started] == [(completed[0][0], "INFO")]


@pytest.mark.parametrize("server", ["uvicorn", *slow("gunicorn with asgi", "uvicorn with 2 workers", *ALIKE)])
def test_with_outlast_every_task_finishes_in_another_process(server: str, tmp_path: Path) -> None:
    switched_on = {"ARTICLE_OUTLAST": "1", "ARTICLE_SECONDS": "0.2", "OUTLAST_LINGER": "0.5"}
    with served(SERVERS[server], tmp_path, **switched_on) as article:
        answers = [article.get(f"/?action={action}")[1] for action in (1, 2, 3)]
        finished = [_finished(article, action) for action in (1, 2, 3)]
        web_workers = {pid for pid, _, _ in _lines_with(article, "Started GET")}

    assert answers == [{"msg": f"Hello World, Action: {action}"} for action in (1, 2, 3)]
    assert [len(lines) for lines in finished] == [1, 1, 1]
    assert web_workers.isdisjoint(lines[0][0] for lines in finished)


def _finished(article: ServedArticle, action: int) -> list[tuple[str, str, str]]:
    return until(lambda: _lines_with(article, f"Action {action} finished"), f"action {action} has finished")


def _lines_with(article: ServedArticle, words: str) -> list[tuple[str, str, str]]:
    return [line for line in article.app_lines() if line[2].startswith(words)]
