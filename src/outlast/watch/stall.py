"""What a silent event loop means. Pure: what was measured in, a cause out."""

from __future__ import annotations

from dataclasses import dataclass, field

from outlast.watch.incident import Cause, Flight
from outlast.watch.site import Site

LATE = 0.3  # seconds: a watching thread that comes so much later was kept from running (265 ms seen on a busy machine)
BELIEF = 1 / 3  # of `stall_after`: so long the loop has to be seen in one step, before that step is blamed
RAN = 0.3  # of the time in which nothing hindered it: a process that stood still may have run just before
DOUBT = 1.5  # times `stall_after`: then it is clear that there is no such step


@dataclass(frozen=True, slots=True)
class Unseen:
    """How a silence began: what the kernel has counted by the time at which the watching thread could look (seconds).

    late: it came that much later than it should have, its own standing in line left out. waited: it, or the loop's
    thread, stood in line for a processor. ran: the loop's thread had one. process: all threads together had one.
    """

    seconds: float = 0.0
    late: float = 0.0
    waited: float = 0.0
    ran: float = 0.0
    cpu: float = 0.0

    @property
    def free(self) -> float:
        """Seconds in which no lack of a processor has kept anybody from looking."""
        return self.seconds - self.waited

    @property
    def is_another_threads(self) -> bool:
        """Whether the processor went to another thread than the loop's; never where that is not counted."""
        return 0.0 < self.ran <= RAN * self.free < self.cpu

    @property
    def has_run(self) -> bool:
        """Whether the loop's thread, or all together, had enough of a processor to hold the interpreter's lock."""
        return max(self.ran, self.cpu) > RAN * self.free


@dataclass(frozen=True, slots=True)
class Silence:
    """Seconds since the loop's last beat, and how they were spent.

    waited: the loop's thread stood in line for a processor. same_step: the loop has been seen in one and the same step
    for so long. unseen: what was before it could be seen.
    """

    seconds: float
    waited: float = 0.0
    same_step: float = 0.0
    unseen: Unseen = field(default_factory=Unseen)

    @property
    def free(self) -> float:
        """Seconds in which no lack of a processor has kept the loop from beating."""
        return self.seconds - self.waited

    @property
    def was_unseen(self) -> bool:
        """Whether something has kept the watching thread from looking for longer than the loop was seen in a step."""
        return self.unseen.late > LATE and self.unseen.free >= self.same_step

    @property
    def seen(self) -> float:
        """Seconds in which it was looked at."""
        return self.seconds - self.unseen.seconds

    @property
    def in_one_step(self) -> float:
        """Seconds that the loop was seen in one step and could have left it."""
        return self.same_step - max(0.0, self.waited - self.unseen.waited)


@dataclass(frozen=True, slots=True)
class Stall:
    """A loop that stands still, or did. `seconds` until now, or in all once it `is_over`.

    site: the code that is to blame, None where it is not known. seen_in: where it was seen longest. flight: the
    request or task whose code that is.
    stack: of the thread, as Python prints it. beside: what was in flight when it was first seen, and the culprit.
    """

    cause: Cause
    seconds: float
    site: Site | None
    flight: Flight | None
    stack: str
    seen_in: Site | None = None
    is_over: bool = False
    beside: tuple[Flight, ...] = ()

    @property
    def culprit(self) -> str:
        """Under which repeats are counted; empty where nobody is to blame."""
        return str(self.site) if self.site is not None else ""


def cause_of(silence: Silence, stall_after: float) -> Cause | None:
    """Why the loop is silent; None as long as it need not be a stall.

    A process that gets no processor is not a blocked loop: what it stood in line does not count. Where that was the
    smaller part, the rest may come to be a stall yet. What kept the watching thread from looking explains the time
    before it could, and no more: a loop that it then sees in one step for longer is blocked by that step.
    """
    if silence.seconds < stall_after:
        return None
    if silence.free >= stall_after:
        if silence.was_unseen and silence.unseen.free >= stall_after:
            return Cause.HELD if silence.unseen.has_run else Cause.FROZEN
        if silence.in_one_step >= stall_after * BELIEF:
            return Cause.BLOCKED
        may_be_one_step = silence.same_step >= stall_after * BELIEF or silence.seen < stall_after * BELIEF
        if silence.free - silence.unseen.late >= stall_after * DOUBT and not may_be_one_step:
            return Cause.SATURATED
    return Cause.STARVED if silence.waited > silence.seconds / 2 else None


def is_worth_a_line(times: int) -> bool:
    """Whether the log shall say once more what it has said before: the 1st, 2nd, 4th, 8th … time."""
    return times & (times - 1) == 0
