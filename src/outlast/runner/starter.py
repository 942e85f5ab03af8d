"""How task processes begin: as a fresh interpreter, or as a copy of one that has imported the app."""

from __future__ import annotations

import logging
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from outlast import events
from outlast.deployments import NO_HOME, Home
from outlast.errors import OutlastError
from outlast.frames import Message
from outlast.place import Place
from outlast.runner.channel import Channel
from outlast.runner.children import Child, Generation, Handle, exit_status, kill_group, watch_for_death
from outlast.runner.lines import Lines, spawn, told
from outlast.runner.template import PATIENCE, Listener, Template, Verdict

log = logging.getLogger("outlast")
LOOK = 0.002  # seconds between looks whether one has ended
_PIDFD = hasattr(os, "pidfd_open")
CAN_COPY = sys.platform == "linux" and _PIDFD  # elsewhere a copy's death would be told to process 1, not to us


@dataclass(frozen=True, slots=True)
class Handlers:
    """What is done when a child has been started (gives it an id, a row), is there, speaks, or ends.

    failed: none came of a start, and why.
    """

    enter: Callable[[int], int]
    began: Callable[[Child], None]
    received: Callable[[Child, Message], None]
    ended: Callable[[Child], None]
    failed: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Copied:
    """A process that the kernel has made a child of this one when the process that forked it exited."""

    pid: int

    def wait(self, timeout: float) -> int:
        """Its exit status (negative: signal), once it has ended. Raises TimeoutExpired."""
        deadline = time.monotonic() + timeout
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a copied process", timeout)
            time.sleep(LOOK)


class Starter:
    """Starts task processes and keeps the one that they are copied from."""

    def __init__(self, place: Place, selector: selectors.BaseSelector, handlers: Handlers) -> None:
        self._place = place
        self._selector = selector
        self._handlers = handlers
        self._listener = Listener(self._template_ready, self._copied, handlers.failed, self._template_ended)
        self._template: Template | None = None
        self._unfit: Generation | None = None
        self.home = NO_HOME  # whose task processes are started from now on

    @property
    def coming(self) -> int:
        """How many task processes were asked for that are not there yet."""
        return self._template.coming if self._template else 0

    @property
    def pids(self) -> set[int]:
        """Of the processes that are here to start others."""
        return {self._template.pid} if self._template else set()

    def start(self, generation: Generation) -> bool:
        """Start a task process, or ask for one. Raises OSError when the interpreter or folder is gone, OutlastError.

        False: what would be asked takes no request, since it ends, and is replaced.
        """
        if not self._copies(generation):
            self._enrolled(generation, *_fresh(generation))
            return True
        self._template = self._template or Template(generation, self._selector, self._listener)
        return self._template.ask()

    def keep(self, now: float) -> None:
        """Give up the process to be copied if it answers no more."""
        if self._template and self._template.is_stuck(now):
            self._template.verdict = Verdict.UNFIT
            self._template.why = events.no_copy_came(self._template.pid, PATIENCE)
            self._template_ended(self._template)

    def check_code(self) -> None:
        """Have the process to be copied look whether its code has changed."""
        if self._template:
            self._template.check_code()

    def new_code(self) -> None:
        """A file has changed: what could not be copied may be fit now."""
        self._unfit = None

    def end(self) -> None:
        """Keep nothing to copy from, wait for nothing."""
        template, self._template = self._template, None
        if template:
            template.end()

    def _copies(self, generation: Generation) -> bool:
        if generation.environment.settings.child_start != "fork" or generation is self._unfit:
            return False
        if not CAN_COPY:
            self._cannot_copy(generation, events.no_fork(sys.platform))
        return CAN_COPY

    def _cannot_copy(self, generation: Generation, why: str) -> None:
        self._unfit = generation
        log.warning("%s", events.not_copied(why))

    def _enrolled(self, generation: Generation, handle: Handle, lines: Lines) -> Child:
        """A process is there and waits for its first message. Raises StoreFailed or OSError, and then it is ended."""
        try:
            number = self._handlers.enter(handle.pid)
        except OutlastError:
            kill_group(handle.pid)
            exit_status(handle)
            lines.close()
            raise
        box = self._place.file(f"child-{number}.box")
        child = Child(number, generation, handle, lines.lifeline[0], lines.orders[0], box)
        received, ended = self._handlers.received, self._handlers.ended
        lost = child.hung_up if _PIDFD else lambda: ended(child)  # one that hung up can take no more work
        child.channel = Channel(lines.channel[0], self._selector, lambda message: received(child, message), lost)
        child.channel.send(_start_message(child, self._place, self.home))
        try:
            if _PIDFD:
                watch_for_death(child.pid, self._selector, lambda: ended(child))
        except OSError:  # no descriptor is left
            child.reap()
            raise
        self._handlers.began(child)
        return child

    def _template_ready(self, template: Template) -> None:
        seconds = time.monotonic() - template.started_at
        log.info("%s", events.template_ready(template.pid, template.generation.environment.app, seconds))

    def _copied(self, template: Template, pid: int, lines: Lines, checks: bool) -> None:  # noqa: FBT001
        try:
            child = self._enrolled(template.generation, Copied(pid), lines)
        except (OutlastError, OSError) as error:
            self._handlers.failed(str(error))
            return
        if checks:  # the others were asked when it was not there yet
            child.channel.send({"type": "check"})

    def _template_ended(self, template: Template) -> None:
        """By its own will or not. What it was asked for is asked for again."""
        if template is not self._template:
            return
        self._template = None
        status = template.end()
        if template.verdict is Verdict.UNFIT:
            self._cannot_copy(template.generation, template.why)
        elif template.verdict is Verdict.NONE:
            self._missed(template, events.how_it_ended(status))

    def _missed(self, template: Template, how: str) -> None:
        """It has ended unasked."""
        died = events.template_died(template.pid, how)
        if template.coming:
            self._handlers.failed(template.why or (died if template.is_ready else f"a new task process {how}"))
        else:
            log.warning("%s", died)


def _fresh(generation: Generation) -> tuple[Handle, Lines]:
    lines = Lines.new()
    return spawn(generation, "outlast.child", lines.pairs), lines


def _start_message(child: Child, place: Place, home: Home) -> Message:
    return {
        "type": "start",
        "process": child.id,
        "home": [home.app, home.release],
        "environment": told(child.generation.environment),
        "journal": str(place.journal),
        "is_shared": place.is_shared,
        "box": str(child.box),
    }
