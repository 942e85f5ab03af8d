"""The app that the tests serve: one vocabulary of tasks, each of which leaves a line in a file outside of outlast.

Copied into a test's own folder as main.py, so it must not import from the tests.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI, HTTPException

import outlast

WITNESS = os.environ.get("WITNESS", "witness.log")


def witness(*words: object) -> None:
    """One line, written at once: O_APPEND makes it whole whoever else writes."""
    descriptor = os.open(WITNESS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    os.close(descriptor)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.opened = True
    witness("opened", os.getpid())
    yield
    witness("closed", os.getpid())


app = FastAPI(lifespan=lifespan)
outlast.install(app)


def ok(name: str) -> None:
    witness("ran", name, os.getpid())


async def ok_async(name: str) -> None:
    witness("ran", name, os.getpid())


def sleep(name: str, seconds: float) -> None:
    witness("began", name, os.getpid())
    time.sleep(seconds)
    witness("ran", name, os.getpid())


async def sleep_async(name: str, seconds: float) -> None:
    witness("began", name, os.getpid())
    await asyncio.sleep(seconds)
    witness("ran", name, os.getpid())


async def block(name: str, seconds: float) -> None:
    witness("began", name, os.getpid())
    time.sleep(seconds)
    witness("ran", name, os.getpid())


def fail(name: str) -> None:
    witness("began", name, os.getpid())
    raise ValueError(f"{name} fails")


def crash(name: str) -> None:
    witness("began", name, os.getpid())
    signal.raise_signal(signal.SIGKILL)


def look_around(name: str) -> None:
    """What a task process has of its server: environment, folder, the app after its lifespan's start."""
    witness("sees", name, os.environ.get("TOKEN"), os.getcwd(), getattr(app.state, "opened", False))


def fork_and_sleep(name: str, seconds: float) -> None:
    """A task that starts a process of its own, as multiprocessing does."""
    child = os.fork()
    if child == 0:
        witness("forked", name, os.getpid())
        time.sleep(60)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    witness("ran", name, os.getpid())


TASKS = {
    function.__name__: function
    for function in (ok, ok_async, sleep, sleep_async, block, fail, crash, look_around, fork_and_sleep)
}


@app.get("/ping")
async def ping() -> int:
    return os.getpid()


@app.get("/add/{task}/{name}")
async def add(task: str, name: str, background_tasks: BackgroundTasks, seconds: float | None = None) -> int:
    """Add one task; answers with the pid of the web worker."""
    arguments = () if seconds is None else (seconds,)
    background_tasks.add_task(TASKS[task], name, *arguments)
    return os.getpid()


@app.get("/refuse/{name}")
async def refuse(name: str, background_tasks: BackgroundTasks) -> None:
    """Add a task, then fail the request."""
    background_tasks.add_task(ok, name)
    raise HTTPException(409)


def build() -> FastAPI:
    """For servers that are given a factory."""
    return app


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="info")
