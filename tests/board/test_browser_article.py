"""The article's app under gunicorn, seen by somebody who has its dashboard open and never touches it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.board.browser import NEEDS_BROWSER, Watched, chromium
from tests.support.servers import serving

__all__ = ["chromium"]
pytestmark = NEEDS_BROWSER
ARTICLE = Path(__file__).parents[2] / "examples" / "article" / "main.py"
MORE = """

app.mount("/outlast", outlast.dashboard(app, guard=lambda request: True))


@app.get("/ping")
async def ping() -> None: ...
"""


@pytest.mark.parametrize("kind", ["gunicorn uvicorn_worker"])
def test_the_overview_tells_what_happens_and_the_incident_why(chromium: Any, tmp_path: Path, kind: str) -> None:
    (tmp_path / "main.py").write_text(ARTICLE.read_text() + MORE)
    with serving(kind, tmp_path, ARTICLE_SECONDS="3") as server:
        watched = Watched(chromium, server)
        server.get("/?action=3")
        page = watched.go("/")
        for action in (1, 2, 3):
            assert server.get(f"/?action={action}")[0] == 200
        page.wait_for_selector("text=main:block_the_event_loop")
        page.wait_for_selector("text=/^4 done$/")
        row = page.wait_for_selector("tr:has-text('block_the_event_loop') a")
        row.click()
        page.wait_for_selector("text=/The event loop of task process \\d+ was blocked for .* by block_the_event_loop/")
        told = page.inner_text("main")
        for words in ("time.sleep(seconds)", "await asyncio.sleep(5)", "Requests do not", "done on attempt 1"):
            assert words in told
        watched.close()
