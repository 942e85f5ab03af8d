"""What is in flight in this process: the requests and tasks that have begun and not ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from outlast.incidents import Flight

if TYPE_CHECKING:
    from outlast.watch.box import Box

SCOPE_KEY = "outlast.flight"


@dataclass(slots=True, eq=False)
class InFlight:
    """One that has begun. `began` is monotonic seconds, `slot` where the black box has it, -1 for nowhere.

    A frame that has it as its local `flight`, or a `scope` with it, is how a sampled stack tells whose it is.
    """

    name: str
    task: int
    lane: str
    began: float
    slot: int = -1

    def seen(self, now: float) -> Flight:
        """As an incident tells it; `now` is monotonic seconds."""
        return Flight(self.name, max(0.0, now - self.began), self.task, self.lane)


class Flights:
    """Those of one process, also written into its black box once it has one. From any thread."""

    def __init__(self) -> None:
        self._all: dict[int, InFlight] = {}
        self._box: Box | None = None

    def write_to(self, box: Box | None) -> None:
        """From now on what begins is also in `box`."""
        self._box = box

    def begin(self, name: str, task: int = 0, lane: str = "") -> InFlight:
        """One has begun: a request, or a task by its id and lane."""
        flight = InFlight(name, task, lane, time.monotonic())
        self._all[id(flight)] = flight
        if self._box is not None:
            flight.slot = self._box.take_off(flight)
        return flight

    def end(self, flight: InFlight) -> None:
        """It is over, however it ended."""
        self._all.pop(id(flight), None)
        if self._box is not None:
            self._box.land(flight.slot)

    @contextmanager
    def flying(self, name: str, task: int = 0, lane: str = "") -> Iterator[InFlight]:
        """In flight as long as the block lasts."""
        flight = self.begin(name, task, lane)
        try:
            yield flight
        finally:
            self.end(flight)

    def seen(self, now: float) -> tuple[Flight, ...]:
        """All of them, the oldest first."""
        return tuple(one.seen(now) for one in sorted(self._all.copy().values(), key=lambda one: one.began))
