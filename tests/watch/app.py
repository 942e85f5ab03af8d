"""The app of the watch's tests: every way to block an event loop or to end a process, in a web worker or in a child.

Copied into a test's own folder as main.py, so it must not import from the tests.
"""

import asyncio
import ctypes
import os
import re
import signal
import socket
import sys
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


def in_c_for_a_while() -> None:
    """C code that does not let go of the interpreter's lock for 4 s, and ends."""
    ctypes.PyDLL(None).usleep(4_000_000)


def hang_up() -> None:
    """As a daemon that closes what is open at its start, here so that the other side sees it at once.

    Nobody else gets the interpreter's lock meanwhile.
    """
    sys.setswitchinterval(ENOUGH)
    c = ctypes.PyDLL(None)
    for descriptor in range(3, 100):
        c.shutdown(descriptor, socket.SHUT_RDWR)


def in_a_sleep_after_hanging_up() -> None:
    hang_up()
    time.sleep(ENOUGH)


def in_c_after_hanging_up() -> None:
    hang_up()
    in_c_for_a_while()


def in_c_without_handlers() -> None:
    """The same after what some libraries do in a process that they take for one of theirs."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    in_c_for_a_while()


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
        *(in_a_segfault, in_an_exit, in_too_much_memory, in_c_without_handlers),
        *(in_a_sleep_after_hanging_up, in_c_after_hanging_up),
    )
}


def here(word: str) -> None:
    """A file that tells the test that this point is reached, and is never seen half written."""
    draft = Path(f"{word}.{os.getpid()}.draft")
    draft.write_text(str(os.getpid()))
    draft.rename(f"{word}.here")


async def culprit(way: str) -> None:
    here("culprit")
    WAYS[way]()


@outlast.task(travels=False)
async def inline_culprit(way: str) -> None:
    await culprit(way)


@outlast.task(travels=False)
async def inline_innocent(seconds: float) -> None:
    here("inline-innocent")
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
