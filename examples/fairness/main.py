"""Exports for tenants, of whom one asks for a thousand: the others do not wait for that."""

from __future__ import annotations

import os
import time
from pathlib import Path

from fastapi import FastAPI

import outlast

SECONDS = float(os.environ.get("EXPORT_SECONDS", "0.1"))  # that each of them takes

app = FastAPI()
outlast.install(app, queues={"exports": {"concurrency": 4, "max_waiting": 10_000}})


@outlast.task(queue="exports", limit_by="tenant")
def export(tenant: str, number: int) -> None:
    time.sleep(SECONDS)
    with Path("exports.log").open("a") as log:
        log.write(f"{tenant} {number}\n")


@app.post("/exports/{tenant}", status_code=202)
async def exports(tenant: str, tasks: outlast.BackgroundTasks, count: int = 1) -> dict[str, int]:
    for number in range(count):
        tasks.options(parallel=True).add_task(export, tenant, number)
    return {"exports": count}
