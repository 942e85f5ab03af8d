"""Task processes that cannot start: that is said once, and it is tried again, after a longer pause each time.

Of those that do not come to the end of their start it is said why tasks wait, then they are ended. That may be for want
of time, so that each try after such an end has twice as much.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from outlast.errors import WorkerRefused
from outlast.events import processes, waits, words
from outlast.runner.children import Child
from outlast.runner.ledger import Ledger
from outlast.watch.post_mortem import incident_of_start

LONGEST_BACK_OFF = 60.0  # seconds between tries to start children that cannot start
LEAST_TIME = 10.0  # seconds that an import, or a lifespan, may take at least, however short `stall_limit` is
TOLD_AFTER = 1 / 6  # of the time that the first one has: so long it stands at one place
MOVING_AFTER = 1 / 2  # of that time: by then it is told of, also where it goes on, or has not said where it stands


class Setbacks:
    """What keeps task processes from starting."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._next_try = 0.0
        self._back_off = 0.0
        self._broken = ""  # why the last one could not start
        self._was_killed = False  # one was, which may have been somebody's hand, and none has started since
        self._slow = SlowStarts()
        self.is_final = False  # whether the first one ends the runner, as it ends a server that cannot import its app

    @property
    def why(self) -> str:
        """That as the rest of a sentence, empty while nothing does."""
        if self._broken:
            return processes.cannot_start(self._broken)
        return waits.not_started(self._slow.why) if self._slow.why else ""

    def look(self, children: Iterable[Child], now: float) -> None:
        """See which of them do not come to the end of their start."""
        self._slow.look(children, now, may_end=not self.is_final)

    def met(self, why: str, *, was_killed: bool = False) -> None:
        """A child could not start. `why` is one sentence, and behind a line break what else there is to say.

        was_killed: by SIGKILL, and not by the runner; once that says nothing of the next.
        Raises WorkerRefused where that is final.
        """
        is_first = was_killed and not (self._was_killed or self._broken)
        self._was_killed = was_killed
        if self.is_final and not is_first:
            processes.WorkerEnds(why).tell()
            raise WorkerRefused(processes.NOTHING_STARTS)
        self._back_off = min(LONGEST_BACK_OFF, max(1.0, self._back_off * 2))
        self.pause(time.monotonic())
        if is_first:
            killed = processes.StartKilled(why, self._back_off)
            killed.tell()
            self._note(str(killed))
        else:
            self._say_once(why)

    def _say_once(self, why: str) -> None:
        sentence = why.partition("\n")[0]
        if sentence != self._broken:
            self._broken = sentence
            processes.TaskProcessesBroken(why, self._back_off).tell()
            self._note(f"a new {words.TASK_PROCESS} cannot start: {why}")

    def _note(self, said: str) -> None:
        self._ledger.add_incidents([incident_of_start(words.TASK_PROCESS, said, time.time())])

    def has_imported(self) -> None:
        """A child has imported the app, so that another one can."""
        self.is_final = False

    def over(self) -> None:
        """One has started."""
        self._back_off, self._broken, self._was_killed = 0.0, "", False

    def reset(self) -> None:
        """Try at once: much may be different now."""
        self._next_try = self._back_off = 0.0

    def pause(self, now: float, seconds: float = 0.0) -> None:
        """Try again no sooner than in so many seconds, or after the pause that is due (monotonic)."""
        self._next_try = now + max(seconds, self._back_off)

    def may_try(self, now: float) -> bool:
        """Whether it is time to start one."""
        return now >= self._next_try


class SlowStarts:
    """Of one pool. `why`: what keeps a task process from coming to the end of its start now; empty if nothing does."""

    def __init__(self) -> None:
        self.why = ""
        self._told: dict[tuple[int, str], set[str]] = {}  # the places that were told of a step of a generation's starts
        self._more = 1  # times the time of the first one

    def look(self, children: Iterable[Child], now: float, *, may_end: bool) -> None:
        """Tell of those that take long, and end those that take too long, if that is allowed."""
        self.why = ""
        for child in children:
            if not child.start.is_going_on or child.parting.killed:
                continue
            time = max(LEAST_TIME, child.generation.settings.stall_limit)
            seconds = now - child.start.step_began_at
            stays = bool(child.start.stands_at) and now - child.start.stands_since > time * TOLD_AFTER
            if stays or seconds > time * MOVING_AFTER:
                self._tell(child, seconds, stays=stays)
            if may_end and seconds > time * self._more:
                self._end(child, seconds)

    def _tell(self, child: Child, seconds: float, *, stays: bool) -> None:
        step = _step(child)
        self.why = waits.not_started_yet(step, child.start.stands_at, in_lifespan=bool(child.start.begun_at))
        told = self._told.setdefault((child.generation.number, step), set())
        if not told or (stays and child.start.stands_at not in told):
            told.add(child.start.stands_at)
            waits.SlowToStart(child.pid, seconds, self.why).tell()

    def _end(self, child: Child, seconds: float) -> None:
        self._more *= 2
        child.start.broken_because = self.why
        child.end(waits.took_too_long(seconds))


def _step(child: Child) -> str:
    """What it does at this time of its start."""
    environment = child.generation.environment
    if child.start.begun_at:
        return f"the lifespan of {environment.lifespan}"
    return f"importing {environment.app}" if environment.app else "the start of a task process"
