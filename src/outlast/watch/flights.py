"""What is in flight in this process: the requests and tasks that have begun and not ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from outlast.watch.incident import Flight
from outlast.watch.layout import PLACES

if TYPE_CHECKING:
    from outlast.watch.black_box import BlackBox

SCOPE_KEY = "outlast.flight"


@dataclass(slots=True, eq=False)
class InFlight:
    """One that has begun. `began` is monotonic seconds; `place` is -1 where there is none, or no more.

    A frame that has it as its local `flight`, or a `scope` with it, is how a sampled stack tells whose it is.
    """

    name: str
    task_id: int
    lane: str
    began: float
    place: int = -1

    def seen(self, now: float) -> Flight:
        """As an incident tells it; `now` is monotonic seconds."""
        return Flight(self.name, max(0.0, now - self.began), self.task_id, self.lane)


class Flights:
    """Those of one process. From any thread.

    64 at a time have a place, which the black box has as well. What most of them cost there is one number written at
    the begin and one at the end: on the way of a request every other code is cold, and ten times slower than in a loop
    (measured). So a name is written only where it differs from the last one of its place.
    """

    def __init__(self) -> None:
        self._places = [InFlight("", 0, "", 0.0)] * PLACES  # who is there, or was there last
        self._free = list(reversed(range(PLACES)))
        self._beyond: set[InFlight] = set()
        self._box: BlackBox | None = None
        self._began: list[float] | memoryview[float] = [0.0] * PLACES
        self._then: Callable[[], None] | None = None

    def write_to(self, box: BlackBox | None) -> None:
        """From now on what begins is also in `box`."""
        if box is None:
            self._box, self._began = None, [one.began if one.place >= 0 else 0.0 for one in self._places]
            return
        self._box, self._began = box, box.began
        for place in range(PLACES):
            while not self._is_copied(place, box):
                continue

    def _is_copied(self, place: int, box: BlackBox) -> bool:
        """Whether what is there was still there when it had been written, or somebody wrote there at the same time."""
        one = self._places[place]
        began = one.began if one.place >= 0 else 0.0
        box.label(place, one.task_id, one.name)
        box.began[place] = began
        return self._places[place] is one and (one.place >= 0) is bool(began)

    def begin(self, name: str, task_id: int = 0, lane: str = "") -> InFlight:
        """One has begun: a request, or a task by its id and lane."""
        flight = InFlight(name, task_id, lane, time.monotonic())
        try:
            flight.place = place = self._free.pop()
        except IndexError:
            self._beyond.add(flight)
            return flight
        last, self._places[place] = self._places[place], flight
        if (name != last.name or task_id != last.task_id) and self._box is not None:
            self._box.label(place, task_id, name)
        self._began[place] = flight.began  # only now it counts, whenever this process dies
        return flight

    def end(self, flight: InFlight) -> None:
        """It is over, however it ended."""
        place, flight.place = flight.place, -1
        if place < 0:
            self._beyond.discard(flight)
        else:
            self._began[place] = 0.0
            self._free.append(place)
        if self._then is not None:
            self._when_empty()

    def when_empty(self, then: Callable[[], None]) -> None:
        """Call `then` as soon as nothing is in flight: now, or where the last one ends."""
        self._then = then
        self._when_empty()

    def _when_empty(self) -> None:
        if len(self._free) == PLACES and not self._beyond and self._then is not None:
            then, self._then = self._then, None
            then()

    @contextmanager
    def flying(self, name: str, task_id: int = 0, lane: str = "") -> Iterator[InFlight]:
        """In flight as long as the block lasts."""
        flight = self.begin(name, task_id, lane)
        try:
            yield flight
        finally:
            self.end(flight)

    def now(self) -> tuple[InFlight, ...]:
        """All of them, the oldest first."""
        flying = [one for one in self._places if one.place >= 0] + list(self._beyond.copy())
        return tuple(sorted(flying, key=lambda one: one.began))
