"""How many task processes come: as many as are needed, and one that waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from outlast.journal.sqlite.opening import connect
from tests.life.captured import captured
from tests.life.test_lifespan import stood_still
from tests.support.marks import slow
from tests.support.servers import WITH_SPARE, Server, eventually


def started(server: Server) -> int:
    """How many task processes have ever been started."""
    journal = connect(server.journal, 1.0, read_only=True)
    try:
        return int(journal.execute("SELECT count(*) FROM process WHERE kind = 'child'").get)
    finally:
        journal.close()


@pytest.mark.parametrize("start", ["spawn", *slow("fork")])
def test_one_shares_and_one_waits_and_none_comes_for_a_lane_in_which_nothing_waits(tmp_path: Path, start: str) -> None:
    with captured("uvicorn", tmp_path, OUTLAST_CHILD_START=start, **WITH_SPARE) as capture:
        server = capture.server
        server.add("ok", "first")
        eventually(lambda: server.output.count("is there after") >= 2, f"a spare one comes, too; {server.output}")
        server.add("ok", "second")
        server.wait_for("ran", "second")
        eventually(lambda: started(server) == 2 or stood_still(server), server.output)
        before = started(server)
        server.add("isolated", "alone")
        server.tell("alone")
        server.wait_for("ran", "alone")
        eventually(lambda: started(server) > before, "another spare one comes")
