"""What was seen of an event loop while it was silent."""

from __future__ import annotations

from outlast.incidents import Cause
from outlast.watch.sample import Sample, only_busy, site_of
from outlast.watch.site import Site
from outlast.watch.stacks import text_of


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

    def blamed(self, cause: Cause) -> Sample | None:
        """The one that shows who is to blame, None where nobody is.

        The interpreter's lock is handed over in the very call that has held it, so the first look shows that.
        """
        if cause is Cause.BLOCKED:
            return self._longest
        return self._first if cause in (Cause.HELD, Cause.FROZEN) else None


def site_in(sample: Sample) -> Site | None:
    """The loop's own thread, or if that waited, the only other one in user code."""
    if sample.step is not None:
        return sample.site
    other = only_busy(sample.others)
    return site_of(other) if other is not None else None


def stack_in(sample: Sample) -> str:
    """Of the thread to blame, as Python prints it."""
    other = only_busy(sample.others) if sample.step is None else None
    return text_of(other or sample.stack)
