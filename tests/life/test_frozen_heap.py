"""What a web worker has when it has started is passed over by garbage collections, where the settings want that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.marks import first_at_once
from tests.support.servers import serving

ADMIN = """
import gc
from pathlib import Path

from fastapi import BackgroundTasks

from main import app

def look(name: str) -> None:
    with open("witness.log", "a") as witness:
        witness.write(f"frozen {name} {gc.get_freeze_count()}\\n")

@app.get("/frozen")
async def frozen(tasks: BackgroundTasks) -> int:
    tasks.add_task(look, "child")
    return gc.get_freeze_count()
"""


@pytest.mark.parametrize("lifespan", first_at_once(["on", "off"]))
@pytest.mark.parametrize("wanted", first_at_once(["true", "false"]))
def test_the_heap_of_a_web_worker_is_frozen_and_that_of_a_task_process_is_not(
    wanted: str, lifespan: str, tmp_path: Path
) -> None:
    (tmp_path / "admin.py").write_text(ADMIN)
    with serving("uvicorn admin", tmp_path, "--lifespan", lifespan, OUTLAST_GC_FREEZE=wanted) as server:
        status, body = server.get("/frozen")
        assert status == 200
        assert (int(body) > 10_000) is (wanted == "true")
        assert int(server.wait_for("frozen", "child")[2]) < 10_000
