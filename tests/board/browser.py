"""A real browser on a dashboard: `make browser` installs what this needs; without it, what needs it is skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import PATIENCE, Server

CHROMIUM = shutil.which("chromium")
AXE = Path(__file__).parents[2] / ".axe" / "package" / "axe.min.js"
playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here: `make browser` installs it")
NEEDS_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: `make browser` installs it"),
]
WAIT = 20_000.0 * PATIENCE  # milliseconds


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=WAIT)
        yield browser
        browser.close()


class Watched:
    """A browser's window on the dashboard, and what it has said and asked for."""

    def __init__(self, chromium: Any, server: Server, **how: Any) -> None:
        self.root = f"http://127.0.0.1:{server.port}/outlast"
        self.context = chromium.new_context(**how)
        self.context.set_default_timeout(WAIT)
        self.said: list[str] = []
        self.may_say = ""  # in a line of its console: a page that looks again may do so until it is closed
        self.asked: list[str] = []
        self.page = self.open()

    def open(self) -> Any:
        page = self.context.new_page()
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        return page

    def go(self, path: str) -> Any:
        self.page.goto(f"{self.root}{path}")
        return self.page

    def close(self) -> None:
        """It has said nothing, such as that the policy forbids something, and asked nobody else."""
        self.context.close()
        said = [one for one in self.said if not self.may_say or self.may_say not in one]
        assert said == [], said
        assert [one for one in self.asked if not one.startswith(self.root)] == []
