"""In which order the watching thread tells what it has seen: what comes last may never come."""

from __future__ import annotations

import asyncio
import time

from outlast.watch.beat import Beat
from outlast.watch.stall import Stall

STALL_AFTER = 0.2


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def beat(self, now: float) -> None:
        """Nothing to keep."""

    def looked(self) -> None:
        """The watching thread goes on."""
        self.told.append("looked")

    def stalled(self, stall: Stall) -> None:
        """Until it is over."""
        self.told.append("over" if stall.is_over else "seen")


def test_that_the_watching_thread_goes_on_is_told_after_what_it_has_seen() -> None:
    """Else who is cut off between the two leaves a silence that somebody looked at and could see nothing of."""
    listener = Listener()
    asyncio.run(blocked_until_seen_twice(listener))
    seen = [at for at, what in enumerate(listener.told) if what == "seen"]
    assert all(listener.told[at + 1] == "looked" for at in seen), listener.told


async def blocked_until_seen_twice(listener: Listener) -> None:
    """And then until it is over."""
    beat = Beat(STALL_AFTER, listener, lambda _: None)
    beat.start()
    deadline = time.monotonic() + 60
    while listener.told.count("seen") < 2 and time.monotonic() < deadline:
        time.sleep(0.3)  # what blocks the loop
    while "over" not in listener.told and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    beat.close()
    assert "over" in listener.told, listener.told
