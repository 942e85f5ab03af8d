"""A request with tasks leaves nothing that only the garbage collector would free."""

from __future__ import annotations

import asyncio
import gc

import pytest
from fastapi import BackgroundTasks, FastAPI

import outlast
from outlast.web.pending import PendingTasks
from tests.web.calling import Served
from tests.web.work import work

pytestmark = pytest.mark.usefixtures("hooks_taken_out")


@pytest.mark.parametrize("path", ["/stock", "/ours"])
def test_what_a_request_has_had_goes_with_it(path: str) -> None:
    app = FastAPI()

    @app.get("/stock")
    async def stock(tasks: BackgroundTasks) -> None:
        tasks.add_task(work, "a")

    @app.get("/ours")
    async def ours(tasks: outlast.BackgroundTasks) -> None:
        tasks.add_task(work, "a")

    served = Served(app)
    served.get(path)
    asyncio.run(served.store.functions.look_into([work]))
    gc.collect()
    before = all_pending()
    gc.disable()
    try:
        served.get(path)
        left = len(all_pending()) - len(before)
    finally:
        gc.enable()
    assert left == 0


def all_pending() -> list[PendingTasks]:
    """Those of every request that are still there; other tests may keep some."""
    return [one for one in gc.get_objects() if type(one) is PendingTasks]
