"""The demo itself: both servers at once, the same visitors for each, until every task's fate is known."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from outlast.demo.live import Show
from outlast.demo.plan import OUTLAST, STOCK, DemoPlan
from outlast.demo.servers import START_LIMIT, DemoServer, serving
from outlast.demo.verdict import Story, tell
from outlast.demo.visitor import Visitor, is_answered

LOOK_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class Booth:
    """One server with its visitor."""

    server: DemoServer
    visitor: Visitor

    def story(self, now: float, *, over: bool = False) -> Story:
        return tell(self.server.side, self.visitor.visits, self.server.sightings, now, over=over)


@dataclass(frozen=True, slots=True)
class Result:
    """The story of each server, to its end, and all that it logged."""

    stories: tuple[Story, ...]
    logs: tuple[tuple[str, ...], ...]


def call_when_told_to_end(call: Callable[[], object]) -> None:
    """By Ctrl-C, by a signal, or since the terminal was closed: the servers, in sessions of their own, would stay."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(signum, call)


@asynccontextmanager
async def opened(plan: DemoPlan, article: Path) -> AsyncIterator[Sequence[Booth]]:
    """Both servers, once they answer; they are ended with the block.

    Raises ServerFailed if one does not start.
    """
    async with AsyncExitStack() as stack:
        both = [serving(side, plan, article, time.monotonic) for side in (STOCK, OUTLAST)]
        servers = [await stack.enter_async_context(server) for server in both]
        yield await asyncio.gather(*(_open(server, plan) for server in servers))


async def visited(booths: Sequence[Booth], plan: DemoPlan, show: Show) -> Result:
    """Ask for the tasks and for something small, until every task has finished or is lost."""
    await _visit(booths, plan, show)
    stories = _stories(booths, over=True)
    show(stories)
    return Result(stories, tuple(tuple(booth.server.lines) for booth in booths))


async def _open(server: DemoServer, plan: DemoPlan) -> Booth:
    port = await server.port()
    give_up = time.monotonic() + START_LIMIT
    while not await is_answered(port, "/", plan.patience):
        if server.has_ended:
            raise server.failed("ended before it answered")
        if time.monotonic() > give_up:
            raise server.failed(f"did not answer within {START_LIMIT:g} s")
        await asyncio.sleep(LOOK_EVERY)
    return Booth(server, Visitor(port, plan.patience, time.monotonic))


async def _visit(booths: Sequence[Booth], plan: DemoPlan, show: Show) -> None:
    async with asyncio.TaskGroup() as group:
        knocking = [group.create_task(booth.visitor.knock()) for booth in booths]
        showing = group.create_task(_show_always(booths, show))
        await asyncio.sleep(plan.lead)
        await asyncio.gather(*(booth.visitor.ask_for_actions(plan) for booth in booths))
        await _until_decided(booths, time.monotonic() + plan.limit)
        for task in knocking:
            task.cancel()
        await asyncio.gather(*(booth.visitor.last_answers() for booth in booths))
        showing.cancel()


async def _until_decided(booths: Sequence[Booth], deadline: float) -> None:
    while time.monotonic() < deadline and not all(story.decided for story in _stories(booths)):
        await asyncio.sleep(LOOK_EVERY)


async def _show_always(booths: Sequence[Booth], show: Show) -> None:
    while True:
        show(_stories(booths))
        await asyncio.sleep(LOOK_EVERY)


def _stories(booths: Sequence[Booth], *, over: bool = False) -> tuple[Story, ...]:
    now = time.monotonic()
    return tuple(booth.story(now, over=over) for booth in booths)
