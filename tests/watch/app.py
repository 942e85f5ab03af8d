"""The app of the watch's tests: every way to block an event loop or to end a process, in a web worker or in a child.

Copied into a test's own folder as main.py, so it must not import from the tests.
"""

import asyncio
import ctypes
import os
import re
import socket
import time
from pathlib import Path

from fastapi import BackgroundTasks, FastAPI

import outlast

app = FastAPI()
outlast.install(app)
ENOUGH = 600.0  # seconds: longer than any test waits


def in_a_sleep() -> None:
    time.sleep(ENOUGH)


def in_a_socket_read() -> None:
    mine, _theirs = socket.socketpair()
    mine.recv(1)


def in_a_loop() -> None:
    deadline = time.monotonic() + ENOUGH
    while time.monotonic() < deadline:
        pass


def in_a_regex() -> None:
    re.match(r"(a+)+$", "a" * 60 + "b")


def in_c() -> None:
    sum(range(10**12))


def in_a_segfault() -> None:
    ctypes.string_at(0)


def in_an_exit() -> None:
    os._exit(7)


def in_too_much_memory() -> None:
    taken = []
    while True:
        taken.append(b"x" * (8 << 20))


WAYS = {
    one.__name__: one
    for one in (
        *(in_a_sleep, in_a_socket_read, in_a_loop, in_a_regex, in_c),
        *(in_a_segfault, in_an_exit, in_too_much_memory),
    )
}


def here(word: str) -> None:
    """A file that tells the test that this point is reached."""
    Path(f"{word}.here").write_text(str(os.getpid()))


async def culprit(way: str) -> None:
    here("culprit")
    WAYS[way]()


@outlast.task(travels=False)
async def inline_culprit(way: str) -> None:
    await culprit(way)


@outlast.task(travels=False)
async def inline_innocent(seconds: float) -> None:
    here("innocent")
    await asyncio.sleep(seconds)


async def innocent(seconds: float) -> None:
    here("innocent")
    await asyncio.sleep(seconds)


@app.get("/ping")
async def ping() -> int:
    return os.getpid()


@app.get("/wait")
async def wait(seconds: float) -> int:
    await asyncio.sleep(seconds)
    return os.getpid()


@app.get("/block")
async def block(way: str) -> int:
    """A handler that does it itself."""
    here("culprit")
    WAYS[way]()
    return os.getpid()


@app.get("/block-in-a-thread")
def block_in_a_thread(way: str) -> int:
    here("culprit")
    WAYS[way]()
    return os.getpid()


@app.get("/task")
async def task(way: str, background_tasks: BackgroundTasks) -> int:
    """A task in a task process."""
    background_tasks.add_task(culprit, way)
    return os.getpid()


@app.get("/inline")
async def inline(way: str, background_tasks: BackgroundTasks) -> int:
    """A task in the web worker."""
    background_tasks.add_task(inline_culprit, way)
    return os.getpid()


@app.get("/innocent")
async def add_innocent(seconds: float, background_tasks: BackgroundTasks) -> int:
    background_tasks.add_task(innocent, seconds)
    return os.getpid()


@app.get("/inline-innocent")
async def add_inline_innocent(seconds: float, background_tasks: BackgroundTasks) -> int:
    background_tasks.add_task(inline_innocent, seconds)
    return os.getpid()
