"""Has one response add many tasks that do nothing, and waits until the journal says that all of them are done."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.harness.place import Place
from bench.programs.app import app
from bench.programs.enqueue import finished

WARM_UP = 100  # tasks


async def main(folder: str, count: int, query: str) -> None:
    """Print when it was answered (seconds since the epoch)."""
    place = Place(Path(folder))
    await answered(WARM_UP, query)
    await finished(place)
    await answered(count, query)
    began = time.time()
    await finished(place)
    print(json.dumps({"began": began}))
    app.state.outlast.close()


async def answered(count: int, query: str) -> None:
    """One request, without a server."""
    path = f"/line/{count}"
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": []}

    async def send(_message: Any) -> None:
        """Nobody reads it."""

    await app(scope, asyncio.Event().wait, send)  # type: ignore[arg-type]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
