"""The sentence for each way in which a process dies, and for the black boxes that tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from logging import ERROR, WARNING
from pathlib import Path

from outlast.events.event import Event, Told
from outlast.events.processes import how_it_ended, signal_name
from outlast.events.words import mib
from outlast.text import MOST_REASON, one_line

MOST_NAMED = 8  # of what was in flight


class ProcessDied(Told, level=ERROR):
    """As `death` says."""

    process_kind: str
    pid: int
    cause: str
    culprit: str


class OldBoxes(Event, level=WARNING):
    count: int
    folder: Path
    sentence = "{count} black boxes in {folder} were too old or not readable and are thrown away"


class ForeignBoxes(Event, level=WARNING):
    count: int
    folder: Path
    sentence = "{count} files in {folder} are named as black boxes are, but are not this user's own files: not read"


class NoBox(Event, level=WARNING):
    """The process runs on without one."""

    why: str
    sentence = "this process can keep no black box, a small file that tells later what it died of: {why}"


class BoxAfterAll(Event, level=WARNING):
    path: Path
    sentence = "this process keeps a black box from now on: {path}"


def death(process_kind: str, pid: int, how: str, flights: Sequence[str]) -> str:
    named = "; ".join(flights[:MOST_NAMED])
    more = f"; and {len(flights) - MOST_NAMED} more" if len(flights) > MOST_NAMED else ""
    rest = f"in flight: {named}{more}" if flights else "nothing was in flight"
    return one_line(f"{process_kind} {pid} {how}; {rest}", MOST_REASON)


def in_flight(name: str, seconds: float, fate: str) -> str:
    return f"{name} ({seconds:.1f} s: {fate})"


CUT_INLINE = "cut, not run again: lane inline"


def timed_out(server: str, patience: float, status: int | None, silence: str) -> str:
    return f"was killed by {server}{_with(status)}, whose timeout is {patience:g} s: {silence}"


def silence(cause: str, seconds: float, by: str, *, was_over: bool = False) -> str:
    """What its event loop did when it died; `was_over`: what had kept it silent for most of the time was over."""
    long = f"most of {seconds:.1f} s" if was_over else f"{seconds:.1f} s"
    return _SILENCES[cause].format(seconds=long, by=by, inside=f", in{by[3:]}" if by else "")


def blocked_before(seconds: float, by: str) -> str:
    """What had been seen, until nothing was seen any more."""
    return f"; before, its event loop had been blocked for {seconds:.1f} s{by}"


_SILENCES = {
    "blocked": "its event loop had been blocked for {seconds}{by}",
    "held": "the interpreter's lock had been held for {seconds}{by}",
    "saturated": "its event loop had been busy for {seconds} with many short steps",
    "starved": "its event loop had been silent for {seconds}, since the machine had no processor for it{inside}",
    "frozen": "no thread of it had run Python for {seconds}, and why is not known",
    "unknown": "its event loop had been silent for {seconds}, and nobody could see why",
}
"""FROZEN: it was stopped, or somebody slept with the interpreter's lock. UNKNOWN: its watching thread went on."""


def stopped_too_long(limits: str, seconds: float | None, status: int | None, *, is_idle: bool) -> str:
    """It was told to stop, and something in it went on; `is_idle`: no request and no task."""
    after = f" {seconds:.1f} s after its stop had begun" if seconds is not None else " during its stop"
    why = "which had not ended" if is_idle else "since what was in flight had not ended"
    return f"was killed{_with(status)}{after}, {why}{limits}"


def broke(status: int | None, what: str, site: object) -> str:
    where = f", in {site}" if site is not None else ", its last stack names no code of yours"
    name = f" ({what})" if what else ""
    how = how_it_ended(status) if status is not None else "broke"
    return f"{how}{name}{where}"


def out_of_memory(memory: int) -> str:
    had = f"; it had {mib(memory)} when it was last looked at" if memory else ""
    return f"{how_it_ended(0, out_of_memory=True)}{had}"


def killed_from_outside(status: int | None, *, is_known: bool) -> str:
    """`is_known`: that memory had not run out."""
    memory = "and not for want of memory" if is_known else "and whether memory had run out is not known"
    return f"{how_it_ended(status or 0)} from outside: not by outlast, {memory}"


def ended_at_start(status: int | None) -> str:
    return f"{how_it_ended(status) if status is not None else 'ended'} in the middle of its start-up"


def left(status: int | None) -> str:
    """By its own will, in a way that lets nobody clean up."""
    code = status if status is not None else "unknown"
    return f"exited with status {code} in the middle of its work: something called os._exit()"


def not_known(*, is_known: bool) -> str:
    """`is_known`: that memory had not run out."""
    memory = "memory had not run out" if is_known else "whether memory had run out is not known"
    return (
        "ended without a good-bye, and how is not known: nobody kept its exit status, its server had no reason that is "
        f"known, {memory}, and it left no stack"
    )


WENT_DOWN_TOO = "ended without a good-bye when its machine or container went down, which has started anew since"


def limits(server: str, graceful: float, patience: float) -> str:
    """What a server grants for a stop (seconds), to be put behind that; 0 where it does not look."""
    parts = [f"a graceful stop may take {graceful:g} s"] if graceful else []
    if patience:
        parts.append(f"a worker that stops sends no heartbeat, and its timeout is {patience:g} s")
    return f" ({server}: {'; '.join(parts)})" if parts else ""


def _with(status: int | None) -> str:
    return f" with {signal_name(-status)}" if status is not None and status < 0 else ""
