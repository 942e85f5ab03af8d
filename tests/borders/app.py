"""An app whose requests and tasks raise what should not come: run by servers as `main.py`."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fastapi import BackgroundTasks, FastAPI

import outlast

app = FastAPI()
outlast.install(app)

NOISE = "caf\udce9 \0\x1b[2J\u202e\n[2026-01-01 00:00:00 +0000] [1] [INFO] forged\r"


class Mute(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt("no text")


def fine() -> None:
    """As it should be."""


def odd() -> None:
    raise ValueError(NOISE)


def mute() -> None:
    raise Mute


async def mute_on_loop() -> None:
    raise Mute


def long() -> None:
    raise ValueError("\udce9" * 70_000_000)


def hangs_up() -> None:
    """Ends the connections of its process, but for the one whose end the kernel takes for the runner's."""
    for descriptor in range(3, 256):
        with suppress(OSError):
            if not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ASYNC:
                socket.socket(fileno=os.dup(descriptor)).shutdown(socket.SHUT_WR)
    time.sleep(60)


def closes_all() -> None:
    """As a daemon does at its start; its end cannot be told any more."""
    os.closerange(3, 1000)


@outlast.task(travels=False)
def inline_mute() -> None:
    raise Mute


FUNCTIONS = (fine, odd, mute, mute_on_loop, long, hangs_up, closes_all, inline_mute)
TASKS: dict[str, Callable[..., Any]] = {one.__name__: one for one in FUNCTIONS}


@app.get("/ping")
async def ping() -> int:
    return os.getpid()


@app.get("/run/{name}")
async def run(name: str, tasks: BackgroundTasks) -> None:
    tasks.add_task(TASKS[name])


@app.get("/at/{where}")
async def at(where: str, tasks: BackgroundTasks) -> None:
    tasks.add_task(fine)


@app.get("/fail/{kind}")
async def fail(kind: str, tasks: BackgroundTasks) -> None:
    tasks.add_task(fine)
    raise Mute if kind == "mute" else ValueError(NOISE)
