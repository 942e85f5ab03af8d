"""A report that takes long, says how far it has come, and goes on where it was when it is cut."""

from __future__ import annotations

import os
import time
from pathlib import Path

from fastapi import BackgroundTasks, FastAPI

import outlast

ORDERS = int(os.environ.get("REPORT_ORDERS", "600"))
SECONDS = float(os.environ.get("REPORT_SECONDS", "0.1"))  # that each of them takes

app = FastAPI()
outlast.install(app)


@app.post("/reports/{name}")
async def report(name: str, background_tasks: BackgroundTasks) -> dict[str, str]:
    background_tasks.add_task(make_report, f"{name}.csv")
    return {"report": f"{name}.csv"}


def make_report(name: str) -> None:
    attempt = outlast.current()
    so_far = attempt.resume or {"orders": 0, "bytes": 0}
    path = Path(name)
    path.touch()
    with path.open("r+b") as file:
        file.seek(file.truncate(so_far["bytes"]))  # what was written after the checkpoint is written again
        for order in outlast.track(range(so_far["orders"], ORDERS), note=name, start=so_far["orders"]):
            time.sleep(SECONDS)
            file.write(f"{order},{order * 7 % 100},attempt {attempt.number}\n".encode())
            file.flush()
            attempt.checkpoint({"orders": order + 1, "bytes": file.tell()})
