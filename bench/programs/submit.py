"""Times `await outlast.enqueue` and a bare commit, in turns, in one process; nobody else writes."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from statistics import median

import outlast
from bench.harness.bare import bare_sqlite
from bench.programs.app import noop

BLOCK = 50  # of each kind before the other's turn


async def main(folder: str, count: int) -> None:
    """Print the median of each, in milliseconds. Checkpoints are the runner's: none here, on either side."""
    submits: list[float] = []
    commits: list[float] = []
    with bare_sqlite(Path(folder) / "bare.db", checkpoints=False) as bare:
        for _ in range(1 + count // BLOCK):
            submits += [await timed_submit(number) for number in range(BLOCK)]
            commits += [bare.commit() for _ in range(BLOCK)]
    print(json.dumps({"submit": median(submits[BLOCK:]) * 1000, "commit": median(commits[BLOCK:]) * 1000}))


async def timed_submit(number: int) -> float:
    """The seconds from the call until the task is stored."""
    began = time.perf_counter()
    await outlast.enqueue(noop, "x" * 100, number)
    return time.perf_counter() - began


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
