"""On a machine with little memory one task process is enough for everything: none is spare."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.servers import eventually, serving

SMALL = {"OUTLAST_SPARES": "0", "OUTLAST_MAX_CHILDREN": "1", "OUTLAST_MAX_ALONE": "1"}


@pytest.mark.slow
def test_tasks_of_all_kinds_run_in_no_more_processes_than_there_may_be(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path, **SMALL) as server:
        server.tell("isolated")
        for task in ("ok", "ok_async", "isolated", "fail", "crash", "ok"):
            server.add(task, task)
        most = 0

        def is_settled() -> bool:
            nonlocal most
            most = max(most, len(server.living("child")))
            return server.all_settled()

        eventually(is_settled, f"{server.records()}\n{server.output}", within=60)
        states = [(one.function.removeprefix("main:"), one.state) for one in reversed(server.records())]
        assert states == [
            *(("ok", "done"), ("ok_async", "done"), ("isolated", "done")),
            *(("fail", "failed"), ("crash", "failed"), ("ok", "done")),
        ]
        assert most <= 2, "one that is shared, one for what runs alone"
