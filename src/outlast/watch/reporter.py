"""Tells of a process's stalls: a line when one begins and one when it ends, repeats counted instead of shouted."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from outlast.events import stalls, words
from outlast.text import MOST_NAME, MOST_TRACEBACK, clean, one_line
from outlast.watch.incident import Cause, Incident, IncidentKind
from outlast.watch.stall import Stall, is_worth_a_line

MOST_CULPRITS = 256  # that are counted; the one seen longest ago is forgotten first
NOBODY = {Cause.STARVED: "the machine", Cause.SATURATED: "many short steps"}


class Reporter:
    """For one process. `note` is given the incident of each stall that is over."""

    def __init__(self, process_kind: str, pid: int, note: Callable[[Incident], None]) -> None:
        self._process = process_kind
        self._pid = pid
        self._note = note
        self._times: OrderedDict[str, int] = OrderedDict()
        self._taken_for: set[Cause] = set()  # the stall at hand, from its first moment on
        self._is_said = False

    def tell(self, stall: Stall) -> None:
        """Called at each look at a loop that stands still, and once when it is over.

        Its cause may come out only after a while: a machine had no processor for it, and then a call does not return.
        """
        if stall.cause not in self._taken_for:
            self._begins(stall)
        if stall.is_over:
            self._ends(stall)

    def _begins(self, stall: Stall) -> None:
        self._taken_for.add(stall.cause)
        times = self._counted(stall)
        self._is_said = is_worth_a_line(times)
        if self._is_said and not stall.is_over:
            self._say(stall, times)

    def _ends(self, stall: Stall) -> None:
        if self._is_said:
            self._say(stall, self._times.get(_key(stall), 1))
        self._taken_for, self._is_said = set(), False
        self._note(incident_of_stall(self._process, self._pid, stall))

    def _say(self, stall: Stall, times: int) -> None:
        what = f"{sentence_of(stall, self._process, self._pid)}{words.by_now(times)}"
        event = stalls.LoopBlocked(what, self._process, self._pid, stall.cause, stall.seconds, stall.culprit)
        event.tell(level=stalls.level_of(stall.cause))

    def _counted(self, stall: Stall) -> int:
        times = self._times.pop(_key(stall), 0) + 1
        self._times[_key(stall)] = times
        if len(self._times) > MOST_CULPRITS:
            self._times.popitem(last=False)
        return times


def incident_of_stall(process_kind: str, pid: int, stall: Stall) -> Incident:
    """As the journal keeps it."""
    return Incident(
        kind=IncidentKind.STALL,
        cause=stall.cause,
        process=process_kind,
        pid=pid,
        at=time.time(),
        seconds=stall.seconds,
        culprit=one_line(stall.culprit, MOST_NAME) or NOBODY.get(stall.cause, "not known"),
        sentence=sentence_of(stall, process_kind, pid),
        stack=clean(stall.stack, MOST_TRACEBACK),
        flights=stall.beside,
    )


def sentence_of(seen: Stall, process_kind: str, pid: int) -> str:
    """What is said of a stall."""
    by = stalls.by_whom(seen.culprit, seen.site.call if seen.site is not None else "", str(seen.flight or ""))
    return stalls.stall(process_kind, pid, seen.cause, seen.seconds, by, is_over=seen.is_over)


def _key(stall: Stall) -> str:
    return f"{stall.cause} {stall.culprit}"
