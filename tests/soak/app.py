"""The app of the soak: short tasks of all kinds, each of which leaves its lines in a file outside of outlast.

Copied into the run's own folder as main.py.
"""

import asyncio
import ctypes
import os
import signal
import time

from fastapi import BackgroundTasks, FastAPI

import outlast

app = FastAPI()
outlast.install(app)
LOG = os.open("witness.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def witness(word: str, number: int) -> None:
    """One line, whole whoever else writes, and there whatever happens next."""
    os.write(LOG, f"{word} {number}\n".encode())


def plain(number: int, seconds: float) -> None:
    witness("began", number)
    time.sleep(seconds)
    witness("ran", number)


async def awaits(number: int, seconds: float) -> None:
    witness("began", number)
    await asyncio.sleep(seconds)
    witness("ran", number)


@outlast.task(isolate=True)
async def alone(number: int, seconds: float) -> None:
    await awaits(number, seconds)


async def blocks(number: int, seconds: float) -> None:
    witness("began", number)
    time.sleep(1.2 + seconds)
    witness("ran", number)


def raises(number: int, seconds: float) -> None:
    witness("began", number)
    raise ValueError(f"{number} raises")


async def is_killed(number: int, seconds: float) -> None:
    witness("began", number)
    await asyncio.sleep(seconds)
    signal.raise_signal(signal.SIGKILL)


def exits(number: int, seconds: float) -> None:
    witness("began", number)
    os._exit(3)


def crashes(number: int, seconds: float) -> None:
    witness("began", number)
    ctypes.string_at(0)


TASKS = {one.__name__: one for one in (plain, awaits, alone, blocks, raises, is_killed, exits, crashes)}


@app.get("/{kind}/{number}")
async def add(kind: str, number: int, seconds: float, background_tasks: BackgroundTasks) -> int:
    background_tasks.add_task(TASKS[kind], number, seconds)
    return number


@app.get("/ping")
async def ping() -> int:
    return os.getpid()
