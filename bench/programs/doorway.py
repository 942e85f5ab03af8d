"""Calls an app in-process, with and without outlast, in turns; no server, no client, no task."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from fastapi import FastAPI

import outlast
from outlast.web import hook

CALLS = 200  # of one kind before the other's turn
SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"localhost")],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 2),
}


def new_app() -> FastAPI:
    """One plain endpoint."""
    app = FastAPI()

    @app.get("/")
    async def plain() -> str:
        return "plain"

    return app


async def main(turns: int) -> None:
    """Print microseconds per request of each turn. The hooks are out while the stock app is called."""
    stock, installed = new_app(), new_app()
    outlast.install(installed)
    await microseconds_per_call(installed)
    found: dict[str, list[float]] = {"stock": [], "outlast": []}
    for _ in range(turns):
        hook.uninstall()
        found["stock"].append(await microseconds_per_call(stock))
        hook.install()
        found["outlast"].append(await microseconds_per_call(installed))
    print(json.dumps(found))


async def microseconds_per_call(app: FastAPI) -> float:
    """The mean of CALLS calls."""
    began = time.perf_counter()
    for _ in range(CALLS):
        await app(dict(SCOPE), receive, send)
    return (time.perf_counter() - began) / CALLS * 1e6


async def receive() -> dict[str, Any]:
    """A request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_message: Any) -> None:
    """Nobody listens."""


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
