"""FastAPI with outlast, as it is by default but for a queue that few of its tasks are in."""

from datetime import UTC, datetime, timedelta

import work  # type: ignore[import-not-found]
from endpoints import router  # type: ignore[import-not-found]
from fastapi import FastAPI

import outlast

app = FastAPI()
outlast.install(app, queues={"slow": {"concurrency": 1, "rate": "1/s"}})
app.include_router(router)


@outlast.task(retries=1, backoff=2)
def fails_once(name: str, amount: float) -> None:
    if outlast.current().number == 1:
        work.fails(name, amount)
    work.sleeps(name, amount)


@outlast.task
def goes_on(name: str, amount: float) -> None:
    """Its first attempt never ends, and the next one does only where that has come to."""
    work.witness("began", name)
    attempt = outlast.current()
    if attempt.resume is None:
        attempt.checkpoint("half")
        attempt.progress(1, 2)
        work.sleeps("for ever", 3600)
    work.witness("ran", name)


@app.get("/chain")
async def chain(amount: float) -> list[str]:
    sleeps, awaits = outlast.s(work.sleeps, "first", amount), outlast.si(work.awaits, "second", amount)
    return [one.id for one in (await outlast.chain(sleeps, awaits, outlast.si(work.sleeps, "third", amount))).all]


@app.get("/limited")
async def limited(amount: float) -> list[str]:
    names = ("first", "second", "third")
    return [(await outlast.options(queue="slow").enqueue(work.sleeps, name, amount)).id for name in names]


@app.get("/tick/{name}")
async def tick(name: str, amount: float) -> None:
    """Of a schedule with a single tick, in so many seconds."""
    when = datetime.now(UTC) + timedelta(seconds=amount)
    once = outlast.every(f"{when:%S %M %H %d %m} *")
    await outlast.schedule("once", once, work.awaits, name, 0.1)


@app.get("/{task}/{name}")
async def add(task: str, name: str, amount: float) -> str:
    tasks = {"fails_once": fails_once, "goes_on": goes_on}
    return (await outlast.enqueue(tasks[task], name, amount)).id
