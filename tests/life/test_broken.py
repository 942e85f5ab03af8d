"""Task processes that cannot start although the web server could: one message, nothing charged, mended by itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.life.captured import captured
from tests.support.history import blamed_in
from tests.support.marks import slow
from tests.support.processes import CHILD, kill, living_in, templates_in
from tests.support.servers import Server, eventually, lay_out, serving

WAYS = {
    "syntax error": ("main.py", "this is no Python\n", "SyntaxError"),
    "exit at import": ("main.py", "import sys\nsys.exit('TOKEN is not set')\n", "TOKEN is not set"),
    "lifespan": ("broken-lifespan", "", "no connection to the database"),
    "exit in the lifespan": ("exit-in-lifespan", "", "no licence was found"),
}
SENTENCE = "task processes cannot start"

WAITS = """

if outlast.in_task_process():
    from pathlib import Path

    Path(f"starts.{os.getpid()}").touch()
    while not Path("go").exists():
        time.sleep(0.02)
"""


def has_tried(server: Server, times: int, seen: set[int]) -> bool:
    """Whether so many task processes have come and gone; `seen` remembers them. The next one may be there already."""
    living = set(living_in(server.folder, CHILD)) - set(templates_in(server.output))
    seen.update(living)
    return len(seen - living) >= times


@pytest.mark.parametrize("start", ["spawn", *slow("fork")])
@pytest.mark.parametrize("way", ["syntax error", *slow("exit at import", "lifespan", "exit in the lifespan")])
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


def begun(server: Server, seen: set[int]) -> int:
    """The pid of a task process that has begun to start and is not among `seen`, where it is from then on."""
    found: set[int] = set()

    def is_there() -> bool:
        found.update({int(one.suffix[1:]) for one in server.folder.glob("starts.*")} - seen)
        return bool(found)

    eventually(is_there, f"one starts; {server.output}")
    seen |= found
    return found.pop()


@pytest.mark.slow
@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_one_start_that_is_killed_is_no_error_and_the_next_one_is(start: str, tmp_path: Path) -> None:
    lay_out(tmp_path, WAITS)
    environment = {"OUTLAST_CHILD_START": start, "OUTLAST_SPARES": "0", "OUTLAST_MAX_CHILDREN": "1"}
    with serving("uvicorn", tmp_path, **environment) as server:
        seen: set[int] = set()
        server.add("ok", "it")
        kill(begun(server, seen))
        said = "a new task process was killed by SIGKILL"
        eventually(lambda: f"WARNING:  {said}: that start is tried again in 1 s" in server.output, server.output)
        second = begun(server, seen)
        assert SENTENCE not in server.output
        kill(second)
        eventually(lambda: f"{SENTENCE}: {said}" in server.output, server.output)
        (tmp_path / "go").touch()
        server.wait_for("ran", "it")
        eventually(server.all_settled, f"{server.records()}")
        assert [(one.state, one.attempt, one.crashes) for one in server.records()] == [("done", 1, 0)]
        assert [one.partition(":")[0] for one in blamed_in(server.journal)] == ["a new task process cannot start", said]
