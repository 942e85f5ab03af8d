"""Submits tasks that do nothing, many at once, and waits until the journal says that all of them are done."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import outlast
from bench.harness.place import Place
from bench.harness.processes import cpu_by_kind
from bench.programs.app import app, noop

AT_ONCE = 64
WARM_UP = 500  # tasks


async def main(folder: str, count: int) -> None:
    """Print when it began (seconds since the epoch) and the CPU seconds of each kind of process."""
    place = Place(Path(folder))
    await submit(WARM_UP)
    await finished(place)
    before, began = cpu_by_kind(place, os.getpid()), time.time()
    await submit(count)
    await finished(place)
    after = cpu_by_kind(place, os.getpid())
    cpu = {kind: after[kind] - before[kind] for kind in before}
    print(json.dumps({"began": began, "cpu": cpu}))
    app.state.outlast.close()


async def submit(count: int) -> None:
    """`count` tasks, AT_ONCE callers, each of which waits until its task is stored."""
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for number in numbers:
            await outlast.enqueue(noop, "x" * 100, number)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one_after_the_other())


async def finished(place: Place) -> None:
    """Wait until no task is unfinished. This process stays connected, or the runner would leave."""
    while place.unfinished():
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
