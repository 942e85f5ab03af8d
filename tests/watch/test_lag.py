"""How late an event loop runs, as its black box tells it: now, and at worst since its start was over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from outlast.watch.layout import LifeState, Vitals
from outlast.watch.recovered import read
from outlast.watch.watch import Duty, Watch
from tests.support.servers import PATIENCE

BLOCK = 0.6  # seconds; a beat is due a quarter of a second after the last
LATE = BLOCK - 0.25


@asynccontextmanager
async def watched(box: Path) -> AsyncIterator[Watch]:
    watch = Watch("web worker")
    watch.keep_box(box)
    watch.begin(Duty(60.0, lambda _: None, lambda _: None))
    try:
        yield watch
    finally:
        watch.close()


def vitals(box: Path) -> Vitals:
    found = read(box)
    assert found is not None
    return found.vitals


async def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20 * PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def test_the_worst_stays_and_the_last_goes(tmp_path: Path) -> None:
    async def main() -> None:
        box = tmp_path / "web-1-1-a.box"
        async with watched(box) as watch:
            watch.enter(LifeState.SERVING)
            time.sleep(BLOCK)
            await until(lambda: vitals(box).worst_lag >= LATE)
            await until(lambda: vitals(box).lag < LATE)
            assert vitals(box).worst_lag >= LATE

    asyncio.run(main())


def test_what_is_late_during_the_start_keeps_nobody_waiting(tmp_path: Path) -> None:
    async def main() -> None:
        box = tmp_path / "web-1-1-a.box"
        async with watched(box) as watch:
            began = vitals(box).loop_beat
            time.sleep(BLOCK)
            await until(lambda: vitals(box).loop_beat > began)
            assert (vitals(box).lag, vitals(box).worst_lag) == (0.0, 0.0)
            assert watch.remains is not None

    asyncio.run(main())


def test_a_process_reads_its_own_box_without_its_file(tmp_path: Path) -> None:
    async def main() -> None:
        box = tmp_path / "web-1-1-a.box"
        async with watched(box) as watch:
            watch.enter(LifeState.SERVING)
            with watch.flights.flying("GET /own"):
                own, other = watch.remains, read(box)
            assert own is not None
            assert other is not None
            assert own.owner == other.owner
            assert [one.name for one in own.in_flight] == [one.name for one in other.in_flight] == ["GET /own"]
        assert watch.remains is None, "it has no box any more"

    asyncio.run(main())
