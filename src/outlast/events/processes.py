"""The one sentence for each thing that happens: log, timeline and command line share it."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from logging import CRITICAL, ERROR, WARNING
from pathlib import Path

from outlast.events import words
from outlast.events.event import Event, Told
from outlast.text import indented


class RunnerStarted(Event):
    pid: int
    journal: Path
    sentence = "runner {pid} moves the tasks of {journal}"


class NoWorker(Event, level=WARNING):
    journal: Path
    sentence = "no `outlast worker` runs for {journal} yet: tasks are stored and wait for it (OUTLAST_RUNNER=external)"


def elsewhere(host: str, count: int) -> str:
    """Processes that only the kernel of another machine can judge."""
    return (
        f"{count} process{'es' * (count != 1)} of another machine ({host}): whether they live is known there "
        "alone, and what they hold or run is left to them"
    )


def runner_died(pid: int) -> str:
    return f"runner {pid} died, or its container or machine went down"


class TasksHandedBack(Event, level=WARNING):
    count: int

    def __str__(self) -> str:
        again = "it runs again" if self.count == 1 else "they run again"
        return f"{words.tasks(self.count)} had been running when the last runner died: {again}"


class RunnerBroke(Event, level=CRITICAL):
    pid: int
    sentence = "runner {pid} broke; the next web worker that has a task starts another, which runs again what was cut"


class RunnerGivesUp(Told, level=ERROR):
    """It cannot begin, or go on."""


class RunnerLeaves(Event, level=WARNING):
    reason: str
    sentence = "runner leaves: {reason}"


class LinesDropped(Event, level=WARNING):
    """The log could not be written for a while. `since`: seconds since the epoch."""

    count: int
    since: float

    def __str__(self) -> str:
        when = time.strftime("%H:%M:%S", time.localtime(self.since))
        return f"{self.count} line{'s' * (self.count != 1)} of this log were dropped since {when}: nobody has read it"


class RunnerDrains(Event):
    running: int
    seconds: float
    is_told: bool

    def __str__(self) -> str:
        why = "told to stop" if self.is_told else "no web worker is left"
        rest = "waiting ones stay for the next start"
        return f"{why}: {words.tasks(self.running)} may go on for {self.seconds:g} s, {rest}"


class CodeOutdated(Event, level=WARNING):
    file: str
    sentence = (
        "this web worker was forked with code that had been imported before {file} was changed (as by gunicorn "
        "--preload), and task processes that start now import what stands in the files: restart the server, since a "
        "SIGHUP imports nothing anew"
    )


class TaskProcessImported(Event):
    pid: int
    app: str
    seconds: float

    def __str__(self) -> str:
        what = f"has imported {self.app}" if self.app else "imports only the modules of its tasks' functions"
        return f"task process {self.pid} is there after {self.seconds:.2f} s: it {what}"


class TaskProcessReady(Event):
    pid: int
    lifespan: str
    seconds: float

    def __str__(self) -> str:
        took = f": it has entered the lifespan of {self.lifespan} ({self.seconds:.2f} s)" if self.lifespan else ""
        return f"task process {self.pid} takes tasks{took}"


class LifespanFailed(Event, level=ERROR):
    sentence = "the app's lifespan failed at the end of a task process"


class TemplateReady(Event):
    pid: int
    app: str
    seconds: float

    def __str__(self) -> str:
        what = f"has imported {self.app}" if self.app else "imports nothing, as no app is known"
        return f"process {self.pid} {what} ({self.seconds:.1f} s): task processes are copied from it"


class TemplateDied(Event, level=WARNING):
    """The process that task processes are copied from is gone; another one is started when a copy is needed."""

    pid: int
    how: str
    sentence = "process {pid}, which task processes are copied from, {how}"


class NotCopied(Event, level=WARNING):
    why: str
    sentence = "task processes start as fresh interpreters, not as copies (child_start=fork): {why}"


def no_fork(system: str) -> str:
    """Why task processes cannot be copied on another system, to be put into `NotCopied`."""
    return f"that works on Linux only, and this is {system}"


def has_threads(what: str, names: Sequence[str], count: int) -> str:
    """Why children cannot be copied from a process that has `count` threads besides its main one."""
    which = f": {', '.join(names)}" if names else ""
    threads = f"{count} thread{'s' * (count != 1)}{which}"
    return f"importing {what} has started {threads}; a process with threads cannot be copied safely"


def no_copy_came(pid: int, seconds: float) -> str:
    return f"process {pid} was asked for one and has not answered for {seconds:g} s"


class NoAppFound(Event, level=WARNING):
    sentence = (
        "outlast could not tell which app this is, so task processes run without its lifespan: "
        'say outlast.install(app, app="module:name") or set OUTLAST_APP'
    )


class TaskProcessesBroken(Event, level=ERROR):
    """One could not import the app or start its lifespan. `why`: one sentence, perhaps with a traceback below."""

    why: str
    wait: float

    def __str__(self) -> str:
        return cannot_start(self.why, f"; tasks stay waiting, uncharged; next try in {self.wait:g} s")


class StartKilled(Event, level=WARNING):
    """One was killed while it started, which may have been somebody's hand."""

    why: str
    wait: float
    sentence = "{why}: that start is tried again in {wait:g} s, and tasks stay waiting until then, uncharged"


NOTHING_STARTS = "its first task process could not be started: the worker ends, and tasks stay waiting"


class WorkerEnds(Event, level=ERROR):
    why: str

    def __str__(self) -> str:
        return cannot_start(self.why)


def cannot_start(why: str, then: str = "") -> str:
    sentence, line_break, more = why.partition("\n")
    return f"task processes cannot start: {sentence}{then}{indented(line_break + more)}"


class TaskProcessRecycled(Event):
    """It takes no more work since it has grown. `memory`, `max_rss`: bytes."""

    pid: int
    memory: int
    max_rss: int

    def __str__(self) -> str:
        has, limit = words.mib(self.memory), words.mib(self.max_rss)
        return f"task process {self.pid} has {has} of memory, more than max_rss ({limit}): it finishes what it has"


ITS_LOOP_BROKE = "ended itself, since its event loop had broken: the log has its error"
LOST_ITS_RUNNER = (
    "ended itself, since its connection to the runner was closed: something in it closes descriptors of others"
)


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
