"""What the doorway's tests add as background tasks. Each is known by the name it gets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def work(name: str) -> None:
    """Leaves a trace if it runs, which outside of lane inline it never does in these tests."""
    _trace(name)


async def work_async(name: str) -> None:
    """The same on a loop."""
    _trace(name)


def homeless(name: str, *, fails: bool = False) -> Callable[[], None]:
    """A function that no other process could find."""

    def inner() -> None:
        _trace(name)
        if fails:
            raise ValueError(f"{name} fails")

    inner.__qualname__ = f"homeless.<locals>.{name}"
    return inner


def homeless_async(name: str, *, fails: bool = False) -> Callable[[], object]:
    """The same on a loop."""

    async def inner() -> None:
        homeless(name, fails=fails)()

    inner.__qualname__ = f"homeless_async.<locals>.{name}"
    return inner


def _trace(name: str) -> None:
    folder = os.environ.get("DOORWAY_TRACES")
    if folder:
        with Path(folder, "ran").open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")
