"""The app of the soak: short tasks of all kinds. Copied into the run's own folder as main.py, beside work.py."""

import asyncio
import os

import work  # type: ignore[import-not-found]
from fastapi import BackgroundTasks, FastAPI

import outlast

app = FastAPI()
outlast.install(app, queues={"limited": {"concurrency": 3, "rate": "50/s"}})


@outlast.task(isolate=True)
async def alone(name: str, amount: float) -> None:
    await work.awaits(name, amount)


@outlast.task(queue="limited", limit_by="name", concurrency=1)
def limited(name: str, amount: float) -> None:
    work.sleeps(name, amount)


@outlast.task(retries=5, backoff=0.5)
async def retried(name: str, amount: float) -> None:
    """Its first attempt fails, so that it waits for a while."""
    if outlast.current().number == 1:
        work.fails(name, amount)
    await work.awaits(name, amount)


async def resumes(name: str, amount: float) -> None:
    """In three steps, each of which is done once if it is told in time."""
    attempt = outlast.current()
    work.witness("began", name)
    for step in range(attempt.resume or 0, 3):
        await asyncio.sleep(amount / 3)
        attempt.checkpoint(step + 1)
    work.witness("ran", name)


TASKS = work.TASKS | {"retried": retried, "resumes": resumes, "alone": alone, "limited": limited}
LAST_LINK = 1_000_000  # added to the number of a chain


@outlast.task
async def link(name: str, amount: float) -> int:
    await work.awaits(name, amount)
    return int(name)


@outlast.task
async def last_link(number: int, name: str, amount: float) -> None:
    """Of a chain: its number tells that it got what the one before has returned."""
    if int(name) == number + LAST_LINK:
        await work.awaits(name, amount)


@outlast.every(seconds=1, missed="all", name="soak")
async def tick() -> None:
    """Has no number: the journal tells whether each tick had one."""


@app.get("/chain/{number}")
async def chain(number: int, seconds: float) -> int:
    await outlast.chain(link.s(str(number), seconds), last_link.s(str(number + LAST_LINK), seconds))
    return number


@app.get("/{kind}/{number}")
async def add(kind: str, number: int, seconds: float, background_tasks: BackgroundTasks) -> int:
    background_tasks.add_task(TASKS[kind], str(number), seconds)
    return number


@app.get("/ping")
async def ping() -> int:
    return os.getpid()
