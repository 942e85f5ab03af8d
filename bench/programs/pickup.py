"""Submits tasks that note how late they start, at a low rate; a bare commit pair between any two of them."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import outlast
from bench.harness.bare import bare_sqlite
from bench.harness.figures import percentile
from bench.harness.place import Place
from bench.programs.app import app, note_delay

INTERVAL = 0.05  # seconds
WARM_UP = 10  # tasks


async def main(folder: str, count: int) -> None:
    """Print p50 and p99 of both, in milliseconds."""
    place, notes = Place(Path(folder)), str(Path(folder) / "delays")
    bare_pairs = []
    await outlast.enqueue(note_delay, notes, 0)
    while place.unfinished():
        await asyncio.sleep(0.02)
    with bare_sqlite(Path(folder) / "bare.db") as bare:
        for _ in range(WARM_UP + count):
            await outlast.enqueue(note_delay, notes, time.monotonic_ns())
            await asyncio.sleep(INTERVAL / 2)
            bare_pairs.append(bare.commit_twice())
            await asyncio.sleep(INTERVAL / 2)
    await asyncio.to_thread(place.drain)
    app.state.outlast.close()
    delays = [int(line) / 1e9 for line in Path(notes).read_text().split()]
    print(json.dumps({"pickup": both(delays[1 + WARM_UP :]), "bare": both(bare_pairs[WARM_UP:])}))


def both(seconds: list[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    return percentile(seconds, 50) * 1000, percentile(seconds, 99) * 1000


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
