"""The one sentence for each way an attempt ends, or is made to: log, timeline and command line share it."""

from __future__ import annotations

from outlast.tasks import shown
from outlast.text import MOST_NAME, MOST_REASON, one_line

AGAIN = "it runs again"  # what follows is left out of the reason of one that was cancelled meanwhile
INNOCENT = "this does not count against it"


def drain_is_over(seconds: float, *, told: bool) -> str:
    """Why what still runs is cut at the end of a drain."""
    since = "its runner was told to stop" if told else "the last web worker had gone"
    return f"it was still running {seconds:g} s after {since} (setting `drain`)"


CODE_REPLACED = "its code has been replaced several times"


def cut(task: int, function: str, why: str) -> str:
    """An attempt is told to end, and is not to blame."""
    return f"task {shown(task)} {one_line(function, MOST_NAME)} is cut and runs again, since {why}"


def more_cut(count: int, why: str) -> str:
    """The same for many."""
    return f"and {count} more tasks are cut and run again, since {why}"


def ended(task: str, function: str, state: str, reason: str) -> str:
    """A task, by its id as people see it, has ended, or runs again."""
    return f"task {task} {one_line(function, MOST_NAME)} {state}{reason and f': {one_line(reason, MOST_REASON)}'}"


def crashed(pid: int, how: str, crashes: int, most: int) -> str:
    """Why an attempt is over: it killed its process."""
    end = f"it ended its process {pid}, which {how}"
    if crashes < most:
        return f"{end}; {AGAIN}, alone ({_ordinal(crashes)} time, `max_crashes` is {most})"
    return f"{end}; {_ordinal(crashes)} time, `max_crashes` is {most}: it is not run again"


def suspected(pid: int, how: str, among: int, company: int) -> str:
    """Why an attempt is over although it may not be to blame."""
    end = f"its process {pid} {how} with {among} suspects in it"
    return f"{end}; {AGAIN}, {_next_time(company)}; {INNOCENT}"


def beside(pid: int, how: str) -> str:
    """Why an attempt is over that is known to be innocent."""
    return f"its process {pid} {how} because of another task; {AGAIN}; {INNOCENT}"


def went_down(why: str, cuts: int, alone_after: int, most: int) -> str:
    """Why an attempt is over that ran when everything went down."""
    if cuts >= most:
        return f"{why}, for the {_ordinal(cuts)} time while it ran: it may be the cause and is not run again"
    alone = ", with nothing beside it" if cuts >= alone_after else ""
    return f"{why}; {AGAIN}{alone} (this was the {_ordinal(cuts)} time; after the {_ordinal(most)} it does not)"


def interrupted(why: str) -> str:
    """Why an attempt is over although nobody is to blame."""
    return f"cut since {why}; {AGAIN}; {INNOCENT}"


def not_begun(why: str) -> str:
    """A task that waited in the runner for the one before it, and goes back to where it was."""
    return f"it was next and had not begun: {why}; it waits again; {INNOCENT}"


def before_runs_again(task: int) -> str:
    """Why what follows that task does not begin."""
    return f"task {shown(task)}, which it follows, waits again"


BLOCKS_THE_LOOP = "its function, or that of one before it, was seen to block an event loop"
SUSPECT_RUNS = "a task that was there each time when everything went down runs first, with nothing beside it"
BEFORE_IS_GONE = "what it followed has ended unseen"
CANCELLED_BEFORE = "cancelled before it ran"


def timed_out(timeout: float, pid: int) -> str:
    """Why an attempt is over that took too long."""
    return f"it took longer than its timeout of {timeout:g} s{_by_force(pid)}"


def cancelled(seconds: float, pid: int) -> str:
    """Why an attempt is over that somebody has cancelled."""
    return f"cancelled after it had run for {seconds:.1f} s{_by_force(pid)}"


def cancelled_when_cut(reason: str) -> str:
    """Why an attempt is over that was cut before it could be stopped."""
    return f"cancelled, and cut before it had stopped ({reason.partition(f'; {AGAIN}')[0]})"


def stalled(seconds: float, pid: int) -> str:
    """Why an attempt is over that blocked an event loop for too long."""
    return (
        f"it had blocked the event loop for {seconds:.1f} s{_by_force(pid)}; "
        f"{AGAIN}, alone, and may take as long as it likes there; {INNOCENT}"
    )


def stuck(pid: int, silent: str, among: int, company: int) -> str:
    """Why an attempt is over whose process did nothing any more, as `silent` says."""
    end = f"its process {pid} was ended, with {among} suspects in it: {silent}"
    return f"{end}; {AGAIN}, {_next_time(company)}; {INNOCENT}"


def beside_stopped(task: int, pid: int) -> str:
    """Why a process was ended that an attempt was in, to be put behind `cut since`."""
    return f"task {shown(task)} in its process {pid} had to be stopped and did not listen"


def hung_up_on(fault: str) -> str:
    """Why a process was ended that can be told nothing any more."""
    return (
        f"what it sent is no message ({fault})" if fault else "it had closed its connection to the runner and lived on"
    )


def silent(seconds: float, *, stopped: bool = False) -> str:
    """Why a process was ended in which nothing ran."""
    if stopped:
        return f"it was silent for {seconds:.1f} s, since a signal had stopped it (SIGSTOP) and nobody let it go on"
    return f"it was silent for {seconds:.1f} s, since something in it held the interpreter's lock"


def stopping(pid: int, task: int, function: str, why: str) -> str:
    """An attempt does not stop when it is told: others may finish beside it, then its process is ended."""
    return f"task {shown(task)} ({function}) in task process {pid} does not stop although {why}"


def inline_cut(pid: int) -> str:
    """Why an inline task cannot be run again."""
    return f"its web worker {pid} died while it ran in it (lane inline): it cannot travel, so it is not run again"


def inline_never_ran(pid: int) -> str:
    """Why an inline task was never started."""
    return f"its web worker {pid} died before it ran (lane inline): it cannot travel to another process"


def _by_force(pid: int) -> str:
    return f", did not stop when it was told, and its process {pid} was ended" if pid else ""


def _next_time(company: int) -> str:
    return "alone" if company == 1 else f"with at most {company - 1} beside it"


def _ordinal(count: int) -> str:
    ending = "th" if count % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{ending}"
