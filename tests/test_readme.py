"""README as a new user goes along it: its files and commands as they stand there, and the dashboard by hand."""

from __future__ import annotations

import http.client
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import pytest

from tests.board.asking import Answer, Markup
from tests.board.test_served import FROM_HERE
from tests.support.readme import Walk, shop
from tests.support.servers import PATIENCE, Server, eventually

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


class Hand(Protocol):
    """Who looks at the dashboard, and clicks."""

    def sees(self, page: str, *words: str) -> None:
        """Wait until all of that is to be read on a page."""

    def clicks_run_all_again(self) -> None:
        """On the page of failures, and says yes."""


class Forms:
    """Without a browser: what its pages and forms say is done by HTTP."""

    def __init__(self, server: Server) -> None:
        self._port = server.port

    def sees(self, page: str, *words: str) -> None:
        eventually(lambda: all(one in self._asked("GET", page).page.said for one in words), f"{words} on {page}", 60)

    def clicks_run_all_again(self) -> None:
        question = self._clicks("Run all again", self._asked("GET", "/failures"))
        assert self._clicks("Run again", question).status == 303

    def _clicks(self, name: str, page: Answer) -> Answer:
        """The one button of this name, in its form."""
        forms = re.findall(r"<form.*?</form>", page.text, re.DOTALL)
        (form,) = (one for one in forms if f">{name}</button>" in one)
        (button,) = re.findall(rf"<button[^>]*>{name}</button>", form)
        fields = read(form).all_of("input", type="hidden") + read(button).all_of("button", name="verb")
        (sent,) = read(form).all_of("form", method="post")
        body = urlencode([(one["name"], one["value"]) for one in fields])
        return self._asked("POST", sent["action"].removeprefix("/outlast"), body)

    def _asked(self, method: str, path: str, body: str | None = None) -> Answer:
        with closing(http.client.HTTPConnection("localhost", self._port, timeout=10 * PATIENCE)) as connection:
            connection.request(method, f"/outlast{path}", body, FROM_HERE if body else {})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())


class Browser:
    """In Chromium, in one window."""

    def __init__(self, page: Any, server: Server) -> None:
        self._page = page
        self._root = f"http://localhost:{server.port}/outlast"

    def sees(self, page: str, *words: str) -> None:
        self._page.goto(self._root + page)
        for one in words:
            self._page.wait_for_selector(f"main >> text={one} >> nth=0")

    def clicks_run_all_again(self) -> None:
        self._page.goto(f"{self._root}/failures")
        self._page.click("text=Run all again")
        self._page.click("dialog[open] form button")
        self._page.wait_for_selector("text=/1 task retried/")


def read(markup: str) -> Markup:
    """As a browser does."""
    return Answer(200, {}, markup.encode()).page


@contextmanager
def by_forms(server: Server) -> Iterator[Hand]:
    yield Forms(server)


@contextmanager
def in_a_browser(server: Server) -> Iterator[Hand]:
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here: `make browser` installs it")
    from tests.board.browser import CHROMIUM, WAIT

    if CHROMIUM is None:
        pytest.skip("no Chromium here: `make browser` installs it")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=WAIT)
        page = chromium.new_page()
        page.set_default_timeout(60_000.0 * PATIENCE)
        yield Browser(page, server)
        chromium.close()


@pytest.mark.slow
@pytest.mark.parametrize("hand", [by_forms, in_a_browser])
def test_the_walk_leads_where_it_says(tmp_path: Path, hand: Callable[[Server], Any]) -> None:
    walk = Walk.read()
    tasks, failures, incidents = walk.pages
    with shop(tmp_path, walk) as (server, terminal), hand(server) as user:
        assert '{"report":"2026 will be sent"}' in terminal.type(walk.ask)
        user.sees(tasks, "main:make_report", "of 12", "report of 2026")
        user.sees(failures, "main:send_report", "FileNotFoundError", "main.py")

        terminal.type(walk.mend)
        user.clicks_run_all_again()
        eventually(lambda: "the report of 2026 goes to reports@example.org" in server.output, server.output)

        ask, kill = walk.kill.splitlines()
        terminal.type(ask)
        user.sees(tasks, "report of 2027")
        (web,) = server.living("web")
        children = server.living("child")
        terminal.type(kill)
        explained = told(lambda: terminal.type(walk.explain), f"web worker {web} was killed", "task process")
        assert any(f"task process {one} was killed" in explained for one in children)
        assert "out of memory" in server.output
        user.sees(incidents, f"web worker {web}", "SIGKILL")

        eventually(lambda: "the report of 2027 goes to reports@example.org" in server.output, server.output, within=60)
        made = [one for one in server.records() if one.function == "main:make_report"]
        assert [(one.state, one.attempt) for one in made] == [("done", 2), ("done", 1)]


def told(ask: Callable[[], str], *words: str) -> str:
    """What is answered, once all these words are in it."""
    answers: list[str] = []

    def has_all() -> bool:
        answers.append(ask())
        return all(one in answers[-1] for one in words)

    eventually(has_all, f"{words} in {answers}")
    return answers[-1]


def test_what_the_walk_installs_is_all_that_it_needs() -> None:
    """The walk of the tests has the environment of the tests; a new user's is made by these lines."""
    assert 'pip install ".[demo]"' in Walk.read().install.splitlines()
    extras = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    brought = {re.match(r"[\w-]+(\[\w+\])?", one).group() for one in extras["demo"]}  # type: ignore[union-attr]
    assert {"outlast[dashboard]", "fastapi", "gunicorn", "uvicorn-worker"} <= brought
