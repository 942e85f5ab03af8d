"""The app that is measured. `BENCH_OUTLAST=0` leaves out the one line that makes the difference."""

from __future__ import annotations

import asyncio
import os
import time

from fastapi import BackgroundTasks, FastAPI

import outlast
from bench.harness.lines import write_line

app = FastAPI()
if os.environ.get("BENCH_OUTLAST", "1") != "0":
    outlast.install(app)


async def noop(text: str, number: int) -> None:
    """Nothing, as fast as it goes."""


async def note_delay(file: str, asked_at: int) -> None:
    """Write how many nanoseconds after `asked_at` (monotonic) this was started."""
    write_line(file, time.monotonic_ns() - asked_at)


async def stay(file: str, seconds: float) -> None:
    """Write when this was started (monotonic ns), then stay."""
    write_line(file, time.monotonic_ns())
    await asyncio.sleep(seconds)


@app.get("/")
async def plain() -> str:
    """An endpoint without tasks."""
    return "plain"


@app.get("/plain/{number}")
async def plain_one(number: int) -> int:
    """The same with a path for each request."""
    return number


@app.get("/add")
async def add(background_tasks: BackgroundTasks) -> str:
    """One task that does nothing."""
    background_tasks.add_task(noop, "x" * 100, 1)
    return "added"


@app.get("/line/{count}")
async def add_line(count: int, tasks: outlast.BackgroundTasks, parallel: bool = False) -> int:  # noqa: FBT001
    """Many tasks that do nothing, each behind the one before."""
    for number in range(count):
        tasks.options(parallel=parallel).add_task(noop, "x" * 100, number)
    return count


@app.get("/stay")
async def add_stay(background_tasks: BackgroundTasks, file: str, seconds: float) -> str:
    """One task that stays for a while."""
    background_tasks.add_task(stay, file, seconds)
    return "added"
