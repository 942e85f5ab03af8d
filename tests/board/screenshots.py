"""The pictures of README and docs/: `make screenshots`, of `outlast demo --dashboard` and of the walk in README."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.board.browser import CHROMIUM
from tests.support.readme import Walk, shop
from tests.support.servers import eventually

DOCS = Path(__file__).parents[2] / "docs"
DEMO = [sys.executable, "-c", "from outlast.demo.command import demo; demo()", "--dashboard"]


def main() -> None:
    """The demo's timeline and dashboard, then a report whose worker is killed."""
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with tempfile.TemporaryDirectory() as folder, demo(Path(folder)) as address:
            of_the_demo(window(browser), address)
        with tempfile.TemporaryDirectory() as folder:
            of_the_walk(window(browser), Path(folder))
        browser.close()


def window(browser: Any) -> Any:
    """One of the size of the pictures."""
    return browser.new_page(viewport={"width": 1100, "height": 760})


@contextmanager
def demo(folder: Path) -> Iterator[str]:
    """Where the dashboard of the demo is, once that has drawn its timeline."""
    command = [*DEMO, "--picture", str(DOCS / "demo.svg")]
    quiet = os.environ | {"BROWSER": "true", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=folder, env=quiet, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = next(line for line in process.stdout if line.startswith("Dashboard: "))
            yield line.removeprefix("Dashboard: ").strip()
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


def of_the_demo(page: Any, address: str) -> None:
    """Its three tasks asked for once more, so that something runs; and who had blocked."""
    page.goto(address)
    root = address.partition("/?")[0]
    page.goto(f"{root}/tasks")
    for task in page.eval_on_selector_all("tbody th a", "links => links.map(link => link.href)"):
        page.goto(task)
        page.click("text=Run as a new task")
        page.wait_for_url(lambda url, before=task: url.partition("?")[0] != before.partition("?")[0])
    take(page, f"{root}/", "dashboard", height=900)
    page.goto(f"{root}/incidents")
    found = page.get_attribute("main a[href*='/incidents/'] >> nth=-1", "href")
    take(page, f"{root}{found}", "dashboard-incident", height=560)


def of_the_walk(page: Any, folder: Path) -> None:
    """A report whose worker was killed while it was made."""
    walk = Walk.read()
    with shop(folder, walk) as (server, terminal):
        terminal.type(walk.ask)
        terminal.type(walk.mend)
        eventually(lambda: any(one.state == "running" for one in server.records()), "the report is being made")
        page.wait_for_timeout(8_000)  # so that there is something to be cut
        terminal.type(walk.kill.splitlines()[-1])
        (report,) = (one.id for one in server.records() if one.function == "main:make_report")
        eventually(lambda: server.record(report).state == "done", server.output, within=60)
        take(page, f"http://localhost:{server.port}/outlast/tasks/{report}", "dashboard-task")


def take(page: Any, address: str, name: str, height: int = 760) -> None:
    """A picture of one page, in docs/: of its beginning, where no path of this machine is to be seen."""
    page.set_viewport_size({"width": 1100, "height": height})
    page.goto(address)
    page.wait_for_selector("time:not([data-exact]) >> nth=0", state="attached")
    page.wait_for_timeout(2500)  # as a person sees it, who has come a moment ago
    page.screenshot(path=str(DOCS / f"{name}.png"))


if __name__ == "__main__":
    main()
