"""What is there in a process is looked at without leaving anything there."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi import FastAPI

from outlast.child.started import Forecast, Standing
from outlast.settings.settings import Settings
from outlast.wire.hello import Environment


def descriptors() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


async def look() -> Standing:
    return Standing.now()


def test_a_look_at_what_listens_leaves_no_descriptor_behind() -> None:
    asyncio.run(look())
    ends = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as server:
        before = descriptors()
        seen = asyncio.run(look())
        assert descriptors() == before
        assert f"127.0.0.1:{server.getsockname()[1]}" in seen.listening
    for one in ends:
        os.close(one)


class Lazy(ModuleType):
    """As those are that import something when they are first looked at."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__dict__":
            raise RuntimeError("the model is not there")
        return super().__getattribute__(name)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    Path("state.json").unlink()
    yield


def test_the_lifespan_is_looked_into_also_where_the_modules_cannot_be(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "lazy_model", Lazy("lazy_model"))
    caplog.set_level("DEBUG", "outlast")
    environment = Environment(sys.executable, ".", (), {}, "main:app", "", Settings())
    forecast = Forecast(FastAPI(lifespan=lifespan), environment, is_new=True)
    assert [one for one in forecast.repeats if "the lifespan of main:app removes files" in one]
    (said,) = (one.getMessage() for one in caplog.records)
    assert said.startswith("what the import of main:app does could not be looked into: RuntimeError: the model")
