"""The one sentence for each thing that happens: log, timeline and command line share it."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence

from outlast.tasks import shown
from outlast.text import indented


def unfinished_found(path: object, count: int) -> str:
    """Said once when a server starts."""
    tasks = "no unfinished tasks" if count == 0 else f"{count} unfinished task{'s' * (count > 1)}"
    return f"journal {path}: {tasks}"


def presumed_to_travel(reason: str) -> str:
    """A task had to be stored at once, before outlast had looked into the source of its function."""
    return f"a task was stored to run in a task process before its source had been looked into, although {reason}"


def no_journal(path: object) -> str:
    """Somebody wants to read what is not there."""
    return (
        f"there is no journal at {path} yet: the first task makes it. If the app keeps it elsewhere, give --url or "
        "OUTLAST_URL"
    )


def journal_not_written(path: object, why: object) -> str:
    """The journal takes nothing for now: full, locked, read-only."""
    return f"the journal {path} cannot be written now: {why}"


def journal_closed(path: object, why: object) -> str:
    """The journal's files cannot be opened."""
    return f"the journal {path} cannot be opened: {why}. Its folder and its files have to be writable for this user"


def journal_damaged(path: object, why: object) -> str:
    """The journal cannot be read."""
    return (
        f"the journal {path} is damaged: {why}. Move it away, with its -wal and -shm, while the server runs: a new one "
        "is begun, and what is still in memory is stored there. Or stop the server and restore a copy"
    )


def journal_newer(path: object, found: int, known: int) -> str:
    """Another outlast has written the journal."""
    return (
        f"the journal {path} has version {found}, this outlast knows {known}: "
        "upgrade outlast, or set OUTLAST_URL to another path"
    )


def journal_migrates(path: object, size: int, found: int, known: int) -> str:
    """A large journal is brought to a newer version, under the write lock."""
    return (
        f"the journal {path} ({size >> 20} MiB) is brought from version {found} to {known}: nothing else can be "
        "written until that is done, which takes some seconds for each million tasks"
    )


def journal_put_back(path: object, aside: Sequence[object]) -> str:
    """The journal was deleted or moved away while it was open."""
    return (
        f"the journal {path} was deleted or moved away while it was in use: all that was in it has been put back"
        f"{_left_aside(aside)}. To begin a new one, stop the server, then `outlast stop`"
    )


def journal_begun_anew(path: object, aside: Sequence[object]) -> str:
    """The journal was damaged, and somebody has moved it away."""
    return (
        f"the journal {path} was damaged and is gone: a new one is begun, with what is still in memory"
        f"{_left_aside(aside)}"
    )


def _left_aside(aside: Sequence[object]) -> str:
    return f"; what lay there is now {', '.join(map(str, aside))}" if aside else ""


def taken_along(tasks: int) -> str:
    """A runner has told a new journal what it has in hand."""
    return f"{_tasks(tasks)} that had been running or had ended were still in memory and are in the new journal"


UNKNOWN_TO_JOURNAL = "its journal was damaged and is gone: all that is known of it was in memory"


def runner_started(pid: int, path: object) -> str:
    """A runner has taken the journal."""
    return f"runner {pid} moves the tasks of {path}"


def no_worker(path: object) -> str:
    """Tasks are stored and nobody is there to run them."""
    return f"no `outlast worker` runs for {path} yet: tasks are stored and wait for it (OUTLAST_RUNNER=external)"


def runner_died(pid: int) -> str:
    """The last runner has gone without a good-bye."""
    return f"runner {pid} died, or its container or machine went down"


def handed_back(count: int) -> str:
    """What a new runner found of the last one."""
    return (
        f"{_tasks(count)} had been running when the last runner died: {'it runs' if count == 1 else 'they run'} again"
    )


def runner_broke(pid: int) -> str:
    """A runner has met what it did not foresee."""
    return f"runner {pid} broke; the next web worker that has a task starts another, which runs again what was cut"


def runner_leaves(reason: str) -> str:
    """A runner ends by itself."""
    return f"runner leaves: {reason}"


def lines_dropped(count: int, since: float) -> str:
    """The log could not be written for a while. `since`: seconds since the epoch."""
    when = time.strftime("%H:%M:%S", time.localtime(since))
    return f"{count} line{'s' * (count != 1)} of this log were dropped since {when}: nobody has read it"


def runner_drains(running: int, seconds: float, *, told: bool) -> str:
    """Nobody is left to serve, or a signal says stop, and tasks still run."""
    why = "told to stop" if told else "no web worker is left"
    return f"{why}: {_tasks(running)} may go on for {seconds:g} s, waiting ones stay for the next start"


def child_imported(pid: int, app: str, seconds: float) -> str:
    """A child can be told to enter the lifespan."""
    what = f"has imported {app}" if app else "imports only the modules of its tasks' functions"
    return f"task process {pid} is there after {seconds:.2f} s: it {what}"


def child_ready(pid: int, lifespan: str, seconds: float) -> str:
    """A child can take tasks."""
    took = f": it has entered the lifespan of {lifespan} ({seconds:.2f} s)" if lifespan else ""
    return f"task process {pid} takes tasks{took}"


def template_ready(pid: int, app: str, seconds: float) -> str:
    """Children can be copied."""
    what = f"has imported {app}" if app else "imports nothing, as no app is known"
    return f"process {pid} {what} ({seconds:.1f} s): task processes are copied from it"


def template_died(pid: int, how: str) -> str:
    """The process that children are copied from is gone; another one is started when a copy is needed."""
    return f"process {pid}, which task processes are copied from, {how}"


def not_copied(why: str) -> str:
    """Children are started as fresh interpreters although the setting says otherwise."""
    return f"task processes start as fresh interpreters, not as copies (child_start=fork): {why}"


def no_fork(system: str) -> str:
    """Why children cannot be copied on another system, to be put behind `not_copied`."""
    return f"that works on Linux only, and this is {system}"


def has_threads(what: str, names: Sequence[str], count: int) -> str:
    """Why children cannot be copied from a process that has `count` threads besides its main one."""
    which = f": {', '.join(names)}" if names else ""
    threads = f"{count} thread{'s' * (count != 1)}{which}"
    return f"importing {what} has started {threads}; a process with threads cannot be copied safely"


def no_copy_came(pid: int, seconds: float) -> str:
    """Why children cannot be copied from a process that does not answer."""
    return f"process {pid} was asked for one and has not answered for {seconds:g} s"


def no_app_found() -> str:
    """Children run without the app's lifespan."""
    return (
        "outlast could not tell which app this is, so task processes run without its lifespan: "
        'say outlast.install(app, app="module:name") or set OUTLAST_APP'
    )


def child_broken(why: str, wait: float) -> str:
    """A child could not import the app or start its lifespan. `why`: one sentence, perhaps with a traceback below."""
    sentence, line_break, more = why.partition("\n")
    said = f"task processes cannot start: {sentence}; tasks stay waiting, uncharged; next try in {wait:g} s"
    return f"{said}{indented(line_break + more)}"


NOTHING_STARTS = "its first task process could not be started: the worker ends, and tasks stay waiting"


def worker_ends(why: str) -> str:
    """Why `outlast worker` ends: its first task process could not be started."""
    sentence, line_break, more = why.partition("\n")
    return f"task processes cannot start: {sentence}{indented(line_break + more)}"


def child_blocked(sentence: str, tasks: Sequence[int]) -> str:
    """The event loop of a child is blocked, as `sentence` says."""
    return f"{sentence}; new tasks go to another process; running in this one: {_names(tasks)}"


def recycled(pid: int, size: int, most: int) -> str:
    """A task process takes no more work since it has grown."""
    return f"task process {pid} has {_mib(size)} of memory, more than max_rss ({_mib(most)}): it finishes what it has"


def out_of_memory(memory: int) -> str:
    """Why an attempt is over that asked for too much."""
    return f"it wanted more memory than the {_mib(memory)} that it may have"


def incidents_counted(stalls: int, times: int, deaths: int) -> str:
    """What happened to processes in the last day."""
    in_all = f" ({times} times in all)" if times > stalls else ""
    loops = [f"{stalls} blocked loop{'s' * (stalls != 1)}{in_all}"] if stalls else []
    ends = [f"{deaths} death{'s' * (deaths != 1)}"] if deaths else []
    return f"incidents of the last day: {', '.join(loops + ends)}: see `outlast explain`"


NOT_THERE_ANY_MORE = "not in the journal any more"
CUT = "cut"  # what becomes of a request whose process died


def became(state: str, attempt: int, when: str, reason: str) -> str:
    """What is now with a task that was in a process when something happened to it. `when` may be empty."""
    if state == "running":  # its reason is that of the attempt before
        return f"running, attempt {attempt}, since {when}"
    tried = f" on attempt {attempt}" if attempt and state in ("done", "failed") else ""
    return f"{state}{tried}{when and f' at {when}'}{reason and f': {reason}'}"


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"


def ended_itself() -> str:
    """Words for the end of a task process that has lost the runner."""
    return "ended itself, since its connection to the runner was closed: something in it closes descriptors of others"


def ended_by_outlast(why: str) -> str:
    """Words for an end that the runner has brought about."""
    return f"was ended by outlast: {why}"


def how_it_ended(status: int, *, out_of_memory: bool = False) -> str:
    """Words for a wait status as `os.waitpid` gives it, and for what the kernel's count of OOM kills says."""
    if out_of_memory:
        return "was killed by the kernel since memory had run out (SIGKILL, and the count of OOM kills has risen)"
    if status < 0:
        return f"was killed by {signal_name(-status)}"
    return "exited in the middle of its work" if status == 0 else f"exited with status {status}"


def signal_name(number: int) -> str:
    """Such as SIGKILL."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tasks(count: int) -> str:
    return f"{count} task{'s' * (count != 1)}"


def _names(tasks: Sequence[int], most: int = 5) -> str:
    if not tasks:
        return "no task"
    named = ", ".join(shown(one) for one in tasks[:most])
    return named if len(tasks) <= most else f"{named} and {len(tasks) - most} more"
