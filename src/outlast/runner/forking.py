"""Task processes as copies of one that has imported the app; fresh interpreters where that cannot be copied."""

from __future__ import annotations

import selectors
import signal
import sys
from collections.abc import Collection, Iterator

from outlast.events import processes
from outlast.runner.launching import Arrival, Generation, Launcher, NotStarted, Spawn
from outlast.runner.reaping import CAN_WATCH
from outlast.runner.template import PATIENCE, Template, Verdict

CAN_COPY = sys.platform == "linux" and CAN_WATCH  # elsewhere a copy's death would be told to process 1, not to us


class Fork(Launcher):
    """Keeps a process to be copied, which is made anew when it has ended."""

    def __init__(self, generation: Generation, selector: selectors.BaseSelector) -> None:
        self._generation = generation
        self._selector = selector
        self._template: Template | None = None
        self._left: list[Arrival | NotStarted] = []  # by templates that have ended
        self._fresh = Spawn(generation)
        self._is_unfit = False

    @property
    def coming(self) -> int:
        """How many copies were asked for that are not there yet."""
        return self._template.coming if self._template else 0

    @property
    def pids(self) -> Collection[int]:
        """Of the process to be copied."""
        return {self._template.process.pid} if self._template else set()

    def ask(self) -> bool:
        """Ask for a copy. False: what would be asked takes no request, since it ends, and is replaced."""
        if self._is_unfit:
            return self._fresh.ask()
        self._template = self._template or Template(self._generation, self._selector)
        return self._template.ask()

    def arrivals(self, now: float) -> Iterator[Arrival | NotStarted]:
        """Copies, and what has come instead of them."""
        if self._template:
            yield from self._template.arrivals(now)
            if self._template.process.has_ended or self._template.is_stuck(now):
                self._replace(self._template, now)
        left, self._left = self._left, []
        yield from left
        yield from self._fresh.arrivals(now)

    def check_code(self) -> None:
        """Have the process to be copied look whether its code has changed."""
        if self._template:
            self._template.check_code()

    def code_has_changed(self) -> None:
        """What could not be copied may be fit now."""
        self._is_unfit = False

    def end(self) -> None:
        """Keep nothing to copy from."""
        if self._template:
            self._end(self._template, 0.0)

    def _end(self, template: Template, now: float) -> int:
        self._template = None
        status = template.end()
        self._left += template.arrivals(now)
        template.forget_asked()
        return status

    def _replace(self, template: Template, now: float) -> None:
        """It has ended by its own will or not, or does not answer. What it was asked for is asked for again."""
        is_stuck = not template.process.has_ended
        status = self._end(template, now)
        if is_stuck or template.verdict is Verdict.UNFIT:
            self._is_unfit = True
            why = processes.no_copy_came(template.process.pid, PATIENCE) if is_stuck else template.why
            processes.NotCopied(why).tell()
        elif template.verdict is Verdict.NONE:
            self._miss(template, status)

    def _miss(self, template: Template, status: int) -> None:
        """It has ended unasked."""
        how = processes.how_it_ended(status)
        died = processes.TemplateDied(template.process.pid, how)
        if template.coming:
            why = template.why or (str(died) if template.is_ready else f"a new task process {how}")
            self._left.append(NotStarted(why, status == -signal.SIGKILL and not template.why))
        else:
            died.tell()


def launcher_for(generation: Generation, selector: selectors.BaseSelector) -> Launcher:
    """As its settings say, and as this platform can."""
    if generation.settings.child_start != "fork":
        return Spawn(generation)
    if not CAN_COPY:
        processes.NotCopied(processes.no_fork(sys.platform)).tell()
        return Spawn(generation)
    return Fork(generation, selector)
