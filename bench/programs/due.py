"""Stores tasks that may all begin at one moment, and waits until the journal says that all of them are done."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import outlast
from bench.harness.figures import percentile
from bench.harness.place import Place
from bench.programs.app import app, noop
from bench.programs.enqueue import WARM_UP, finished, submit
from outlast.journal.contract import Release
from outlast.tasks.task import Lane, NewTask, State, TaskOptions

AT_ONCE = 1000  # tasks in one transaction
INTERVAL = 0.02  # seconds between two that are added meanwhile


async def main(folder: str, count: int, ahead: float, way: str) -> None:
    """Print when they could begin (seconds since the epoch), and how long adding another took meanwhile (ms).

    way: `due`, by their time, `ahead` seconds from now; `ready`, since their responses are over, all at once.
    """
    place, installed = Place(Path(folder)), app.state.outlast
    await submit(WARM_UP)
    await finished(place)
    began = time.time() + ahead
    ids = [one async for one in stored(installed, count, began if way == "due" else None)]
    if time.time() > began:
        raise SystemExit(f"storing them took longer than {ahead:g} s")
    await asyncio.sleep(began - time.time())
    if way == "ready":
        for start in range(0, count, AT_ONCE):
            await installed.store([Release(one) for one in ids[start : start + AT_ONCE]])
    waits = await waits_of_others(place)
    await finished(place)
    print(json.dumps({"began": began, "p99": percentile(waits, 99) * 1000, "longest": max(waits) * 1000}))
    installed.close()


async def stored(installed: Any, count: int, due_at: float | None) -> Any:
    """The ids of so many tasks: with that time, or held without one."""
    for start in range(0, count, AT_ONCE):
        now = time.time()
        options, state = (
            (TaskOptions(), State.HELD) if due_at is None else (TaskOptions(delay=due_at - now), State.WAITING)
        )
        some = list(tasks(min(AT_ONCE, count - start), options, state, now))
        some = [one._replace(id=installed.ids.next()) for one in some]
        await installed.store(some)
        for one in some:
            yield one.id


def tasks(count: int, options: TaskOptions, state: State, now: float) -> Iterator[NewTask]:
    """So many that do nothing, under one id."""
    arguments = json.dumps({"text": "x" * 100, "number": 1})
    function = f"{noop.__module__}:{noop.__qualname__}"
    yield from [NewTask(1, function, arguments, Lane.LOOP, state, now, "bench", options=options)] * count


async def waits_of_others(place: Place) -> list[float]:
    """How long adding one more task takes (s), as long as many are left."""
    waits: list[float] = []
    while not waits or place.unfinished() > AT_ONCE:
        began = time.perf_counter()
        await outlast.enqueue(noop, "x" * 100, 1)
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(INTERVAL)
    return waits


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
