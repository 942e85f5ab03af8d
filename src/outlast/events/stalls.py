"""The sentence for each way in which an event loop, or a whole process, stands still."""

from __future__ import annotations

from collections.abc import Sequence
from logging import INFO, WARNING

from outlast.events.event import Event, Told
from outlast.events.words import WEB_WORKER, named
from outlast.text import MOST_REASON, one_line


def stall(process_kind: str, pid: int, cause: str, seconds: float, by: str, *, is_over: bool) -> str:
    """A loop stands still, or has stood still. `by`: what `by_whom` says."""
    tense = "was" if is_over else "has been"
    words = _STALLS[cause] if is_over or cause != "starved" else _STARVES
    what = words.format(seconds=f"for {seconds:.1f} s", by=by or _NO_TRACE, who=by[4:] or "nothing")
    whose = "request is answered" if process_kind == WEB_WORKER else "other task goes on there"
    then = " and is free again" if is_over else f": no {whose} meanwhile"
    return one_line(f"the event loop of {process_kind} {pid} {tense} {what}{then}", MOST_REASON)


_NO_TRACE = " by something that leaves no trace in Python"
_STALLS = {
    "blocked": "blocked {seconds}{by}",
    "held": "blocked {seconds}, since C code held the interpreter's lock,{by}",
    "frozen": "silent {seconds}, since the whole process stood still: it was stopped from outside, C code slept"
    " with the interpreter's lock, or whoever had that lock got no processor; the next to run was {who}",
    "saturated": "busy {seconds} with many short steps, none of which is to blame alone",
    "starved": "silent {seconds}, since the machine had no processor for it (starved, not blocked)",
}

_STARVES = "silent {seconds}, most of it since the machine had no processor for it"
"""As long as it goes on: in the end it may have been blocked all the same."""


def by_whom(culprit: str, call: str, flight: str) -> str:
    """Such as ` by send_report (report.py:88) in requests.get(url), for GET /report`; empty if nobody is known."""
    if not culprit:
        return flight and f" by {flight}"
    inside = f" in {call}" if call else ""
    return f" by {culprit}{inside}" + (flight and f", for {flight}")


class LoopBlocked(Told, level=WARNING):
    """It stands still, or has stood still, as `stall` says."""

    process_kind: str
    pid: int
    cause: str
    seconds: float
    culprit: str


def level_of(cause: str) -> int | None:
    """Nobody's code is to blame where the machine had no processor: below a warning. None: as usual."""
    return INFO if cause == "starved" else None


def of_task_process(sentence: str, tasks: Sequence[int]) -> str:
    """What else there is to say as long as one is blocked."""
    return f"{sentence}; new tasks go to another process; running in this one: {named(tasks)}"


class NothingRuns(Event, level=WARNING):
    """Neither the loop nor any other thread. `site`: where C has the lock; empty where that is not known."""

    process_kind: str
    pid: int
    seconds: float
    site: str

    def __str__(self) -> str:
        where = f", in {self.site}" if self.site else "; its stacks name no code of yours, or that of several threads"
        what = f"no thread of {self.process_kind} {self.pid} has run Python for {self.seconds:.1f} s"
        return one_line(f"{what}: C code holds the interpreter's lock{where}", MOST_REASON)


class StandsStill(Event, level=WARNING):
    process_kind: str
    pid: int
    seconds: float
    sentence = (
        "{process_kind} {pid} has been stopped for {seconds:.1f} s (SIGSTOP, ^Z or a debugger): nothing in it goes on "
        "until somebody lets it (kill -CONT {pid})"
    )
