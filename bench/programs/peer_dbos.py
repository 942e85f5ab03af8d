"""No-op workflows through a DBOS queue on SQLite, submitted 64 at a time, in the one process that DBOS wants."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

from __future__ import annotations

import asyncio
import json
import sys
import time

from dbos import DBOS

AT_ONCE = 64
QUEUE = "bench"
DBOS(config={"name": "bench", "system_database_url": "sqlite:///dbos.sqlite", "run_admin_server": False})


@DBOS.workflow()
async def noop(text: str, number: int) -> None:
    """Nothing."""


async def main(count: int) -> None:
    """Print the seconds from the first submit until all have returned."""
    DBOS.launch()
    await DBOS.register_queue_async(QUEUE, polling_interval_sec=0.1)
    await run(10)
    print(json.dumps({"seconds": await run(count)}))
    DBOS.destroy()


async def run(count: int) -> float:
    """Submit workflows, wait for all of them."""
    began = time.perf_counter()
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        handles = [await DBOS.enqueue_workflow_async(QUEUE, noop, "x" * 100, number) for number in numbers]
        for handle in handles:
            await handle.get_result()

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))
    return time.perf_counter() - began


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
