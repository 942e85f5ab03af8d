"""A client of one server: sends the three requests, and a small one every 100 ms, and notes how each went."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from outlast.demo.plan import ACTIONS, SMALL_REQUEST_EVERY, DemoPlan

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request. `ended` is None while it waits; `answered` says whether it ended with a whole 200."""

    sent: float
    action: int | None = None
    ended: float | None = None
    answered: bool = False

    def waited(self, now: float) -> float:
        """Seconds from the request to its answer, or to `now` while there is none."""
        return (now if self.ended is None else self.ended) - self.sent


class Visitor:
    """Sends requests to one port, each over a connection of its own, and keeps a Visit of each."""

    def __init__(self, port: int, patience: float, clock: Callable[[], float]) -> None:
        self.visits: list[Visit] = []
        self._port = port
        self._patience = patience
        self._clock = clock
        self._waiting: set[asyncio.Task[None]] = set()

    async def ask_for_actions(self, plan: DemoPlan) -> None:
        """Send the three requests `plan.spacing` apart, without waiting for an answer in between."""
        for action in ACTIONS:
            self._send(action)
            await asyncio.sleep(plan.spacing)

    async def knock(self) -> None:
        """Send a small request every 100 ms, however long the others take, until cancelled."""
        while True:
            self._send(None)
            await asyncio.sleep(SMALL_REQUEST_EVERY)

    async def last_answers(self) -> None:
        """Wait for all answers that are still to come; none takes longer than a client's patience."""
        await asyncio.gather(*self._waiting)

    def _send(self, action: int | None) -> None:
        task = asyncio.create_task(self._visit(action))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _visit(self, action: int | None) -> None:
        place, visit = len(self.visits), Visit(self._clock(), action)
        self.visits.append(visit)
        answered = await is_answered(self._port, f"/?action={action}" if action else "/", self._patience)
        self.visits[place] = replace(visit, ended=self._clock(), answered=answered)


async def is_answered(port: int, target: str, patience: float) -> bool:
    """Whether `target` is answered with a whole 200 within `patience` seconds."""
    try:
        return await asyncio.wait_for(_fetch(port, target), patience)
    except (TimeoutError, OSError, asyncio.IncompleteReadError):
        return False


async def _fetch(port: int, target: str) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: outlast-demo\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        await reader.readexactly(int(length[1]) if length else 0)
        return head.startswith(b"HTTP/1.1 200")
    finally:
        writer.close()
