"""Task processes that cannot start although the web server could: one message, nothing charged, mended by itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.life.captured import captured
from tests.support.marks import slow
from tests.support.processes import CHILD, living_in, templates_in
from tests.support.servers import Server, eventually

WAYS = {
    "syntax error": ("main.py", "this is no Python\n", "SyntaxError"),
    "exit at import": ("main.py", "import sys\nsys.exit('TOKEN is not set')\n", "TOKEN is not set"),
    "lifespan": ("broken-lifespan", "", "no connection to the database"),
    "exit in the lifespan": ("exit-in-lifespan", "", "no licence was found"),
}
SENTENCE = "task processes cannot start"


def has_tried(server: Server, times: int, seen: set[int]) -> bool:
    """Whether so many task processes have come and gone; `seen` remembers them."""
    living = set(living_in(server.folder, CHILD)) - set(templates_in(server.output))
    seen.update(living)
    return len(seen) >= times and not living


@pytest.mark.parametrize("start", ["spawn", *slow("fork")])
@pytest.mark.parametrize("way", WAYS)
def test_the_reason_is_said_once_and_tasks_wait_uncharged_until_it_is_mended(
    way: str, start: str, tmp_path: Path
) -> None:
    name, content, reason = WAYS[way]
    with captured("uvicorn", tmp_path, OUTLAST_CHILD_START=start) as capture:
        server = capture.server
        file = tmp_path / name
        before = file.read_text() if file.exists() else None
        file.write_text(content)
        server.add("ok", "it")
        seen: set[int] = set()
        eventually(lambda: has_tried(server, 2, seen), f"two tries; {server.output}")
        eventually(lambda: SENTENCE in server.output, "it is said")
        assert server.output.count(SENTENCE) == 1, server.output
        assert re.search(f"{SENTENCE}.*raised.*{reason}", server.output, re.DOTALL), server.output
        assert [(one.state, one.attempt, one.crashes) for one in server.records()] == [("waiting", 0, 0)]
        file.write_text(before) if before else file.unlink()
        server.wait_for("ran", "it")
        eventually(server.all_settled, f"{server.records()}")
        assert [(one.state, one.attempt, one.crashes) for one in server.records()] == [("done", 1, 0)]
