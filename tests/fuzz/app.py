"""The app of the fuzz run: what a request carries ends up in the arguments and the exceptions of its tasks.

Copied into the run's own folder as main.py.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import BackgroundTasks, Body, FastAPI, Header, HTTPException

import outlast

Sent = Annotated[Any, Body()]
Odd = Annotated[str, Header()]
app = FastAPI()
outlast.install(app)


class Mute(Exception):
    """It has no text, and says so by raising."""

    def __str__(self) -> str:
        raise RuntimeError(self.args[0])


class Unprintable(Exception):
    """It cannot be looked at in any way."""

    def __str__(self) -> str:
        raise SystemExit(self.args[0])

    def __repr__(self) -> str:
        raise KeyboardInterrupt(self.args[0])


class NotText(Exception):
    """Its text is none."""

    def __str__(self) -> str:
        return 7  # type: ignore[return-value]  # noqa: PLE0307 - that is what is odd


def chained(text: str) -> Exception:
    """An exception with a long history."""
    error: Exception = ValueError(text[:1000])
    for _ in range(50):
        cause, error = error, ValueError(text[:1000])
        error.__cause__ = cause
    return error


def noted(text: str) -> Exception:
    """An exception with notes."""
    error = ValueError(text)
    error.add_note(text)
    return error


def named(text: str) -> Exception:
    """An exception of a class with an odd name."""
    kind: type[Exception] = type(text.replace("\0", "")[:200].encode(errors="replace").decode(), (Exception,), {})
    return kind(text)


ERRORS: dict[str, Callable[[str], BaseException]] = {
    "plain": ValueError,
    "mute": Mute,
    "unprintable": Unprintable,
    "not-text": NotText,
    "chained": chained,
    "noted": noted,
    "named": named,
    "group": lambda text: ExceptionGroup(text, [ValueError(text), TypeError(text)]),
    "long": lambda text: ValueError((text or "x")[:250] * 300_000),
    "exit": SystemExit,
    "base": BaseException,
    "unicode": lambda text: UnicodeDecodeError("utf-8", text.encode("utf-8", "surrogatepass")[:99] or b"x", 0, 1, text),
}


def keep(number: int, data: Any, text: str) -> None:
    """A `def` that is given what was sent."""


async def keep_async(number: int, data: Any, text: str) -> None:
    """A coroutine that is given what was sent."""
    await asyncio.sleep(0)


def fail(number: int, kind: str, text: str) -> None:
    """A `def` that raises what was sent."""
    raise ERRORS[kind](text)


async def fail_async(number: int, kind: str, text: str) -> None:
    """A coroutine that raises what was sent."""
    raise ERRORS[kind](text)


@app.post("/keep/{number}/{text:path}")
async def ask_to_keep(number: int, text: str, tasks: BackgroundTasks, data: Sent = None, x_odd: Odd = "") -> int:
    """Two tasks with all that was sent."""
    tasks.add_task(keep, number, data, text + x_odd)
    tasks.add_task(keep_async, number, data, text=x_odd + text)
    return number


@app.post("/fail/{kind}/{number}/{text:path}")
async def ask_to_fail(
    kind: str, number: int, text: str, tasks: BackgroundTasks, data: Sent = None, x_odd: Odd = ""
) -> int:
    """Two tasks that raise it, as far as it is text."""
    said = data if isinstance(data, str) else f"{text}{x_odd}"
    tasks.add_task(fail, number, kind, said)
    tasks.add_task(fail_async, number, kind, said)
    return number


@app.post("/inline/{kind}/{number}/{text:path}")
async def ask_inline(kind: str, number: int, text: str, tasks: BackgroundTasks, data: Sent = None) -> int:
    """A task that cannot travel, and raises it in the web worker."""

    def closure() -> None:
        raise ERRORS[kind](data if isinstance(data, str) else text)

    tasks.add_task(closure)
    return number


@app.post("/refuse/{number}/{text:path}")
async def refuse(number: int, text: str, tasks: BackgroundTasks, data: Sent = None) -> None:
    """A request that fails with what was sent after it has asked for a task."""
    tasks.add_task(keep, number, data, text)
    raise ValueError(data if isinstance(data, str) else text)


@app.post("/answer/{number}/{text:path}")
async def answer(number: int, text: str, tasks: BackgroundTasks) -> None:
    """The same with an answer."""
    tasks.add_task(keep, number, None, text)
    raise HTTPException(409, "no")


@app.get("/ping")
async def ping() -> int:
    return os.getpid()
