"""The one sentence for each stall and each death: log, journal and command line share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from outlast.events import how_it_ended, signal_name
from outlast.incidents import WEB_WORKER, Cause, Flight
from outlast.tasks import shown
from outlast.text import MOST_REASON, one_line
from outlast.watch.box import Server
from outlast.watch.site import Site
from outlast.watch.stall import Stall

MOST_NAMED = 8  # of what was in flight
_MIB = 1 << 20


def stall(process: str, pid: int, seen: Stall) -> str:
    """A loop stands still, or has stood still."""
    call = seen.site.call if seen.site is not None else ""
    by = by_whom(seen.culprit, call, seen.flight)
    tense = "was" if seen.is_over else "has been"
    words = _STALLS[seen.cause] if seen.is_over or seen.cause is not Cause.STARVED else _STARVES
    what = words.format(seconds=f"for {seen.seconds:.1f} s", by=by or _NO_TRACE, who=by[4:] or "nothing")
    then = " and is free again" if seen.is_over else f": {_meanwhile(process)}"
    return one_line(f"the event loop of {process} {pid} {tense} {what}{then}", MOST_REASON)


_NO_TRACE = " by something that leaves no trace in Python"
_STALLS = {
    Cause.BLOCKED: "blocked {seconds}{by}",
    Cause.HELD: "blocked {seconds}, since C code held the interpreter's lock,{by}",
    Cause.FROZEN: "silent {seconds}, since the whole process stood still: it was stopped from outside, or C code slept"
    " with the interpreter's lock; the next to run was {who}",
    Cause.SATURATED: "busy {seconds} with many short steps, none of which is to blame alone",
    Cause.STARVED: "silent {seconds}, since the machine had no processor for it (starved, not blocked)",
}

_STARVES = "silent {seconds}, most of it since the machine had no processor for it"
"""As long as it goes on: in the end it may have been blocked all the same."""


def repeated(sentence: str, times: int) -> str:
    """The same, said again after a while."""
    return f"{sentence} ({times} times by now)" if times > 1 else sentence


def nothing_runs(process: str, pid: int, seconds: float, site: Site | None) -> str:
    """Neither the loop nor any other thread."""
    where = f", in {site}" if site is not None else "; its stacks name no code of yours, or that of several threads"
    what = f"no thread of {process} {pid} has run Python for {seconds:.1f} s: C code holds the interpreter's lock"
    return one_line(f"{what}{where}", MOST_REASON)


def stands_still(process: str, pid: int, seconds: float) -> str:
    """Somebody has stopped it."""
    return (
        f"{process} {pid} has been stopped for {seconds:.1f} s (SIGSTOP, ^Z or a debugger): nothing in it goes on "
        f"until somebody lets it (kill -CONT {pid})"
    )


def by_whom(culprit: str, call: str, flight: Flight | None) -> str:
    """Such as ` by send_report (report.py:88) in requests.get(url), for GET /report`; empty if nobody is known."""
    if not culprit:
        return f" by {_name(flight)}" if flight is not None else ""
    inside = f" in {call}" if call else ""
    return f" by {culprit}{inside}" + (f", for {_name(flight)}" if flight is not None else "")


def death(process: str, pid: int, how: str, flights: Sequence[Flight], fates: Mapping[int, str]) -> str:
    """A process has died."""
    return one_line(f"{process} {pid} {how}{_in_flight(process, flights, fates)}", MOST_REASON)


def timed_out(server: Server, status: int | None, silence: str) -> str:
    """Its server has lost patience."""
    signalled = f" with {signal_name(-status)}" if status is not None else ""
    return f"was killed by {server.name}{signalled}, whose timeout is {server.patience:g} s: {silence}"


def silence(seconds: float, by: str, *, is_whole: bool, is_starved: bool) -> str:
    """What its event loop did when it died."""
    if is_starved:
        inside = f", in{by[3:]}" if by else ""
        return f"its event loop had been silent for {seconds:.1f} s, since the machine had no processor for it{inside}"
    if is_whole and not by:
        return f"no thread of it had run Python for {seconds:.1f} s, and why is not known"
    what = "the interpreter's lock had been held" if is_whole else "its event loop had been blocked"
    return f"{what} for {seconds:.1f} s{by or ', nobody could see by what'}"


def stopped_too_long(server: Server, seconds: float | None, status: int | None) -> str:
    """It was told to stop, and something in it went on."""
    after = f" {seconds:.1f} s after its stop had begun" if seconds is not None else " during its stop"
    limit = _limits(server)
    return f"was killed{_with(status)}{after}, since what was in flight had not ended{limit}"


def broke(status: int | None, what: str, site: Site | None) -> str:
    """A segmentation fault, an abort."""
    where = f", in {site}" if site is not None else ", its last stack names no code of yours"
    name = f" ({what})" if what else ""
    how = how_it_ended(status) if status is not None else "broke"
    return f"{how}{name}{where}"


def out_of_memory(memory: int) -> str:
    """The kernel needed its memory."""
    had = f"; it had {memory / _MIB:.0f} MiB when it was last looked at" if memory else ""
    return f"was killed by the kernel since memory had run out (SIGKILL, and the count of OOM kills has risen){had}"


def killed_from_outside(status: int | None) -> str:
    """By nobody that outlast knows."""
    return f"{how_it_ended(status or 0)} from outside: not by outlast, and not for want of memory"


def ended_at_start(status: int | None) -> str:
    """Before it served anything."""
    return f"{how_it_ended(status) if status is not None else 'ended'} in the middle of its start-up"


def left(status: int | None) -> str:
    """By its own will, in a way that lets nobody clean up."""
    code = status if status is not None else "unknown"
    return f"exited with status {code} in the middle of its work: something called os._exit()"


def not_known() -> str:
    """There is no evidence of anything."""
    return (
        "ended without a good-bye, and how is not known: nobody kept its exit status, its server had no reason that is "
        "known, memory had not run out, and it left no stack"
    )


def went_down_too() -> str:
    """On an earlier boot."""
    return "ended without a good-bye when its machine or container went down, which has started anew since"


def old_boxes(count: int, folder: object) -> str:
    """Boxes that nobody reads any more."""
    return f"{count} black boxes in {folder} were too old or not readable and are thrown away"


def foreign_boxes(count: int, folder: object) -> str:
    """Files that are named like boxes."""
    return f"{count} files in {folder} are named as black boxes are, but are not this user's own files: not read"


def no_box(error: object) -> str:
    """The process runs on without one."""
    return f"this process can keep no black box, a small file that tells later what it died of: {error}"


def box_after_all(path: object) -> str:
    """There was no room for it at first."""
    return f"this process keeps a black box from now on: {path}"


def _meanwhile(process: str) -> str:
    return "no request is answered meanwhile" if process == WEB_WORKER else "no other task goes on there meanwhile"


def _limits(server: Server) -> str:
    parts = [f"a graceful stop may take {server.graceful:g} s"] if server.graceful else []
    if server.looks_at == "loop" and server.patience:
        parts.append(f"a worker that stops sends no heartbeat, and its timeout is {server.patience:g} s")
    return f" ({server.name}: {'; '.join(parts)})" if parts else ""


def _with(status: int | None) -> str:
    return f" with {signal_name(-status)}" if status is not None and status < 0 else ""


def _in_flight(process: str, flights: Sequence[Flight], fates: Mapping[int, str]) -> str:
    if not flights:
        return "; nothing was in flight"
    named = "; ".join(_fate(process, one, fates) for one in flights[:MOST_NAMED])
    more = f"; and {len(flights) - MOST_NAMED} more" if len(flights) > MOST_NAMED else ""
    return f"; in flight: {named}{more}"


def _fate(process: str, flight: Flight, fates: Mapping[int, str]) -> str:
    if not flight.task:
        return f"{_name(flight)} ({flight.seconds:.1f} s: cut)"
    usual = "cut, not run again: lane inline" if process == WEB_WORKER else "cut"
    return f"{_name(flight)} ({flight.seconds:.1f} s: {fates.get(flight.task, usual)})"


def _name(flight: Flight | None) -> str:
    if flight is None:
        return "something"
    return f"task {shown(flight.task)} {flight.name}" if flight.task else flight.name
