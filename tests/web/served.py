"""`tests.web.served:application`: the app with and without http middleware, for real servers."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.web.app import build
from tests.web.recording import Recorded, RecordingStore, install, to_file

EVENTS = "DOORWAY_EVENTS"


def made(prefix: str, events: Path) -> ASGIApp:
    """One of the two, writing its events to a file."""
    app = build(http_middleware=prefix == "/logged")
    write = to_file(events, prefix)
    install(app, RecordingStore(write))
    return Recorded(app, write)


class Both:
    """Takes the first part of the path off, and calls that app. Answers the lifespan for both."""

    def __init__(self, events: Path) -> None:
        self._apps = {prefix: made(prefix, events) for prefix in ("/plain", "/logged")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        prefix, path = (
            scope["path"][: scope["path"].index("/", 1)],
            scope["path"][scope["path"].index("/", 1) :],
        )
        await self._apps[prefix]({**scope, "path": path, "raw_path": path.encode()}, receive, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


if EVENTS in os.environ:
    application = Both(Path(os.environ[EVENTS]))
