"""The process that task processes are copied from, as the runner sees it. It has imported the app and runs nothing."""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from outlast.events import processes
from outlast.runner.child_process import ChildProcess
from outlast.runner.launching import Arrival, Generation, NotStarted, Sockets, far_ends, let_go, spawn, told
from outlast.runner.reaping import Copied
from outlast.wire.frames import Message

PATIENCE = 5.0  # seconds for a copy to be made


class Verdict(Enum):
    """What a template has said of itself."""

    NONE = "nothing"
    STALE = "a file that it has imported has changed"
    UNFIT = "it cannot be copied safely"


@dataclass(frozen=True, slots=True)
class Word:
    """What a template says: `ready`, `copied` (as `pid`), `failed`, `stale`, `unfit` or `broken`, and `why`."""

    kind: str
    pid: int = 0
    why: str = ""

    @classmethod
    def read(cls, message: Message) -> Word:
        """Raises one of NOT_OURS for what is none."""
        return cls(str(message.get("type")), int(message.get("pid", 0)), str(message.get("why", "")))


class Template:
    """Started at once; copies may be asked for before it is ready. Raises OSError when it cannot be started."""

    def __init__(self, generation: Generation, selector: selectors.BaseSelector) -> None:
        self.verdict = Verdict.NONE
        self.why = ""
        self.is_ready = False  # it has imported the app
        self._app = generation.environment.app
        self._started_at = time.monotonic()
        self._asked: deque[Sockets] = deque()
        self._unchecked = 0  # how many of them, from the first on, were asked for before the last check
        self._answers_since = 0.0  # monotonic; 0: it has not imported the app yet
        self._has_hung_up = False
        control, lifeline = socket.socketpair(), socket.socketpair()
        handle = spawn(generation, "outlast.child.template", [control, lifeline])
        self.process = ChildProcess(handle, selector, control[0], lifeline[0])
        self.process.channel.send({"type": "start", "environment": told(generation.environment)})

    @property
    def coming(self) -> int:
        """How many copies it was asked for and has not made."""
        return len(self._asked)

    def ask(self) -> bool:
        """Ask for one more copy. False: it takes no more at the moment."""
        sockets = Sockets.new()
        if not self.process.channel.send_with({"type": "copy"}, far_ends(sockets.pairs)):
            sockets.close()
            return False
        let_go(sockets.pairs)
        if not self._asked:
            self._answers_since = self._answers_since and time.monotonic()
        self._asked.append(sockets)
        return True

    def check_code(self) -> None:
        """Have it look whether a file that it has imported has changed; then it ends."""
        self.process.channel.send({"type": "check"})
        self._unchecked = len(self._asked)

    def arrivals(self, now: float) -> Iterator[Arrival | NotStarted]:
        """The copies that it has made, or could not make."""
        for word in self.process.channel.heard(Word.read):
            self._answers_since = now
            yield from self._answer(word)
        if self.process.channel.is_over and not self._has_hung_up:  # most likely it ends, and how is worth to know
            self._has_hung_up, self._answers_since = True, now

    def is_stuck(self, now: float) -> bool:
        """Whether it has imported the app, or has hung up, and neither answers nor ends."""
        is_due = self._asked or self.process.channel.is_over
        return bool(is_due and self._answers_since) and now - self._answers_since > PATIENCE

    def end(self) -> int:
        """End it, also if it is dead already; returns its exit status. Copies that it has made can still be had."""
        return self.process.reap()[0]

    def forget_asked(self) -> None:
        """What it was asked for never comes."""
        for sockets in self._asked:
            sockets.close()

    def _answer(self, word: Word) -> Iterator[Arrival | NotStarted]:
        match word.kind:
            case "ready":
                self.is_ready = True
                seconds = time.monotonic() - self._started_at
                processes.TemplateReady(self.process.pid, self._app, seconds).tell()
            case "copied" | "failed" if self._asked:
                must_check, self._unchecked = self._unchecked > 0, max(0, self._unchecked - 1)
                yield self._arrived(word, self._asked.popleft(), must_check=must_check)
            case "stale":
                self.verdict = Verdict.STALE
            case "unfit":
                self.verdict, self.why = Verdict.UNFIT, word.why
            case "broken":
                self.why = word.why

    def _arrived(self, word: Word, sockets: Sockets, *, must_check: bool) -> Arrival | NotStarted:
        if word.kind == "copied":
            return Arrival(Copied(word.pid), sockets, must_check)
        sockets.close()
        return NotStarted(word.why)
