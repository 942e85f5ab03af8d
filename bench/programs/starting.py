"""An app whose task processes say when they are up. `BENCH_HEAVY=1` makes it as slow to import as a grown one."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, create_model

import outlast
from bench.harness.lines import write_line

FOLDER = Path(os.environ["BENCH_FOLDER"])
MODULES = ("httpx2", "rich.console", "rich.progress", "websockets.asyncio.client", "hypothesis", "click", "sqlite3")


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Write when this process was up (monotonic ns)."""
    write_line(str(FOLDER / "opened"), time.monotonic_ns())
    yield


app = FastAPI(lifespan=lifespan)
outlast.install(app)


def grow() -> None:
    """Import what many apps import; make models and endpoints of them."""
    for name in MODULES:
        import_module(name)
    for number in range(100):
        fields = {f"field_{one}": (int | str | None, None) for one in range(10)}
        app.post(f"/{number}")(endpoint(create_model(f"Model{number}", **fields)))  # type: ignore[call-overload]


def endpoint(model: type[BaseModel]) -> Callable[..., Any]:
    """An endpoint that takes a model and gives it back."""

    async def echo(body: model) -> model:  # type: ignore[valid-type]
        return body

    echo.__annotations__ = {"body": model, "return": model}
    return echo


if os.environ.get("BENCH_HEAVY") == "1":
    grow()


async def note(file: str, asked_at: int) -> None:
    """Write this process's pid, and how many nanoseconds after `asked_at` (monotonic) this was started."""
    write_line(file, f"{os.getpid()} {time.monotonic_ns() - asked_at}")


@outlast.task(isolate=True)
async def note_alone(file: str, asked_at: int) -> None:
    """The same in a process with nothing else in it."""
    await note(file, asked_at)
