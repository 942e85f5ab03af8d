"""After the demo: the dashboard of its journal, beside the servers that go on, until Ctrl-C."""

from __future__ import annotations

import asyncio

from rich.console import Console

from outlast.board.alone import Alone
from outlast.demo.run import call_when_told_to_end
from outlast.events.board import NO_BROWSER
from outlast.journal.location import url_at
from outlast.settings.settings import Settings
from outlast.system.place import Place


async def stay(console: Console, place: Place) -> None:
    """Serve the dashboard of the journal at `place`, and show it in the browser where there is one."""
    stopped = asyncio.Event()
    call_when_told_to_end(stopped.set)
    alone = Alone(Settings(url=url_at(place)))
    serving = asyncio.create_task(asyncio.to_thread(alone.serve))
    try:
        console.print(f"Dashboard: {alone.address}", highlight=False, soft_wrap=True)
        console.print("Run a task again there, or look at the incident. Ctrl-C ends everything.", highlight=False)
        if not await asyncio.to_thread(alone.open):
            console.print(NO_BROWSER, highlight=False)
        await stopped.wait()
    finally:
        alone.stop()
        await serving
