"""What was seen of an event loop while it was silent."""

from __future__ import annotations

from dataclasses import dataclass

from outlast.incidents import Cause
from outlast.watch.flights import InFlight
from outlast.watch.sample import Sample, flight_in, only_busy, site_of
from outlast.watch.site import Site
from outlast.watch.stacks import text_of


@dataclass(frozen=True, slots=True)
class Blamed:
    """Where the code is, whose it is, and the stack as Python prints it; None and empty for nobody."""

    site: Site | None
    flight: InFlight | None
    stack: str


class Looks:
    """The samples of one silence, from the first one on."""

    def __init__(self, first: Sample, at: float) -> None:
        self._first = self._longest = self._last = first
        self._step_since = at
        self.same_step = 0.0  # seconds for which the loop was seen in one step at most

    def add(self, sample: Sample, at: float) -> None:
        """Another one. A step that is seen for the first time may have begun only now."""
        if sample.step is not self._last.step:
            self._step_since = at
        self._last = sample
        if at - self._step_since > self.same_step:
            self._longest, self.same_step = sample, at - self._step_since

    @property
    def seen_in(self) -> Site | None:
        """Where the loop was for most of the time, as far as it was seen."""
        return self._longest.site

    def blamed(self, cause: Cause) -> Blamed:
        """Who is to blame. The interpreter's lock is handed over in the very call that has held it, so the first look
        shows that: the loop's own thread, or if that waited, the only other one in user code."""
        if cause is Cause.BLOCKED:
            return Blamed(self._longest.site, self._longest.flight, text_of(self._longest.stack))
        if cause not in (Cause.HELD, Cause.FROZEN):
            return Blamed(None, None, "")
        first = self._first
        other = only_busy(first.others) if first.step is None else None
        if other is None:
            return Blamed(first.site, first.flight, text_of(first.stack))
        return Blamed(site_of(other), flight_in(other), text_of(other))
