"""Tells of a process's stalls: a line when one begins and one when it ends, repeats counted instead of shouted."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from outlast.incidents import Cause, Incident, Kind
from outlast.text import MOST_NAME, MOST_TRACEBACK, clean, one_line
from outlast.watch import sentences
from outlast.watch.stall import Stall, is_worth_a_line

log = logging.getLogger("outlast")
MOST_CULPRITS = 256  # that are counted; the one seen longest ago is forgotten first
NOBODY = {Cause.STARVED: "the machine", Cause.SATURATED: "many short steps"}


class Reporter:
    """For one process. `note` is given the incident of each stall that is over."""

    def __init__(self, process: str, pid: int, note: Callable[[Incident], None]) -> None:
        self._process = process
        self._pid = pid
        self._note = note
        self._times: OrderedDict[str, int] = OrderedDict()
        self._said: Cause | None = None
        self._is_open = False

    def tell(self, stall: Stall) -> None:
        """Called at each look at a loop that stands still, and once when it is over."""
        if not self._is_open or (self._said is Cause.STARVED and stall.cause is not Cause.STARVED):
            self._begins(stall)
        if stall.is_over:
            self._ends(stall)

    def _begins(self, stall: Stall) -> None:
        self._is_open = True
        times = self._counted(stall)
        self._said = stall.cause if is_worth_a_line(times) else None
        if self._said is not None and not stall.is_over:
            self._say(stall, times)

    def _ends(self, stall: Stall) -> None:
        if self._said is not None:
            self._say(stall, self._times.get(_key(stall), 1))
        self._is_open, self._said = False, None
        self._note(incident_of_stall(self._process, self._pid, stall))

    def _say(self, stall: Stall, times: int) -> None:
        sentence = sentences.stall(self._process, self._pid, stall)
        level = logging.INFO if stall.cause is Cause.STARVED else logging.WARNING
        log.log(level, "%s", sentences.repeated(sentence, times))

    def _counted(self, stall: Stall) -> int:
        times = self._times.pop(_key(stall), 0) + 1
        self._times[_key(stall)] = times
        if len(self._times) > MOST_CULPRITS:
            self._times.popitem(last=False)
        return times


def incident_of_stall(process: str, pid: int, stall: Stall) -> Incident:
    """As the journal keeps it."""
    return Incident(
        kind=Kind.STALL,
        cause=stall.cause,
        process=process,
        pid=pid,
        at=time.time(),
        seconds=stall.seconds,
        culprit=one_line(stall.culprit, MOST_NAME) or NOBODY.get(stall.cause, "not known"),
        sentence=sentences.stall(process, pid, stall),
        stack=clean(stall.stack, MOST_TRACEBACK),
        flights=stall.beside,
    )


def _key(stall: Stall) -> str:
    return f"{stall.cause} {stall.culprit}"
