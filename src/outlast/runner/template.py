"""The process that task processes are copied from, as the runner sees it. It has imported the app and runs nothing."""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from outlast.frames import Message
from outlast.runner.channel import Channel
from outlast.runner.children import Generation, exit_status, kill_group, reap_orphans, watch_for_death
from outlast.runner.lines import Lines, far_ends, let_go, spawn, told

PATIENCE = 5.0  # seconds for a copy to be made


class Verdict(Enum):
    """What a template has said of itself."""

    NONE = "nothing"
    STALE = "a file that it has imported has changed"
    UNFIT = "it cannot be copied safely"


@dataclass(frozen=True, slots=True)
class Listener:
    """What happens when a template is ready, has made a copy, could not, or is dead.

    A copy comes with its pid, its lines, and whether it has to look for new code before it does anything.
    """

    ready: Callable[[Template], None]
    copied: Callable[[Template, int, Lines, bool], None]
    failed: Callable[[str], None]
    ended: Callable[[Template], None]


class Template:
    """Started at once; copies may be asked for before it is ready. Raises OSError when it cannot be started."""

    def __init__(self, generation: Generation, selector: selectors.BaseSelector, listener: Listener) -> None:
        self.generation = generation
        self.verdict = Verdict.NONE
        self.why = ""
        self.is_ready = False  # it has imported the app
        self.started_at = time.monotonic()
        self._listener = listener
        self._asked: deque[Lines] = deque()
        self._unchecked = 0  # how many of them, from the first on, were asked for before the last check
        self._answers_since = 0.0  # monotonic; 0: it has not imported the app yet
        control, lifeline = socket.socketpair(), socket.socketpair()
        self._lifeline = lifeline[0]
        self._process = spawn(generation, "outlast.child.template", [control, lifeline])
        self._channel = Channel(control[0], selector, self._received, self._hung_up)
        self._channel.send({"type": "start", "environment": told(generation.environment)})
        try:
            watch_for_death(self.pid, selector, lambda: listener.ended(self))
        except OSError:  # no descriptor is left
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def coming(self) -> int:
        """How many copies it was asked for and has not made."""
        return len(self._asked)

    def ask(self) -> bool:
        """Ask for one more copy. False: it takes no more at the moment."""
        lines = Lines.new()
        if not self._channel.send_with({"type": "copy"}, far_ends(lines.pairs)):
            lines.close()
            return False
        let_go(lines.pairs)
        if not self._asked:
            self._answers_since = self._answers_since and time.monotonic()
        self._asked.append(lines)
        return True

    def check_code(self) -> None:
        """Have it look whether a file that it has imported has changed; then it ends."""
        self._channel.send({"type": "check"})
        self._unchecked = len(self._asked)

    def is_stuck(self, now: float) -> bool:
        """Whether it has imported the app, or has hung up, and neither answers nor ends."""
        is_due = self._asked or not self._channel.is_open
        return bool(is_due and self._answers_since) and now - self._answers_since > PATIENCE

    def end(self) -> int:
        """End it, also if it is dead already; returns its exit status. What it was asked for never comes."""
        kill_group(self.pid)
        status = exit_status(self._process)
        reap_orphans(self.pid)
        self._channel.drain()
        self._channel.close()
        self._lifeline.close()
        for lines in self._asked:
            lines.close()
        return status

    def _hung_up(self) -> None:
        """Most likely it ends; how it does so is worth to know."""
        self._answers_since = time.monotonic()

    def _received(self, message: Message) -> None:
        self._answers_since = time.monotonic()
        match message.get("type"):
            case "ready":
                self.is_ready = True
                self._listener.ready(self)
            case "copied":
                checks, self._unchecked = self._unchecked > 0, max(0, self._unchecked - 1)
                self._listener.copied(self, int(message["pid"]), self._asked.popleft(), checks)
            case "failed":
                self._unchecked = max(0, self._unchecked - 1)
                self._asked.popleft().close()
                self._listener.failed(str(message["why"]))
            case "stale":
                self.verdict = Verdict.STALE
            case "unfit":
                self.verdict, self.why = Verdict.UNFIT, str(message["why"])
            case "broken":
                self.why = str(message["why"])
