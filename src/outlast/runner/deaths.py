"""Web workers that die: they are not the runner's children, but it hears of their end at once, and says why."""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from outlast.incidents import Incident
from outlast.watch import sentences
from outlast.watch.autopsy import Witnessed, has_run_out, incident_of
from outlast.watch.exits import exit_status, watch_exit
from outlast.watch.memory import OomKills
from outlast.watch.remains import Remains, of_the_dead

log = logging.getLogger("outlast")
PREFIX = "web-"
PATIENCE = 2.0  # seconds until a verdict is given without the exit status: its parent may never reap it
MEMORY = 5.0  # seconds for which the end of a web worker is remembered that has left no box


@dataclass(slots=True)
class Known:
    """A web worker that has said hello; `descriptor` is its pidfd. `gone_at`: when it was seen dead, monotonic."""

    descriptor: int
    gone_at: float | None = None


class Deaths:
    """Of the web workers whose boxes are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[int, Known] = {}
        self._pending: list[tuple[Remains, float]] = []
        self._oom = OomKills()
        self._has_looked = False

    def expect(self, pid: int) -> None:
        """A web worker has said hello: its end shall not go unseen."""
        self._forget_gone(time.monotonic())
        if pid and pid not in self._known and (descriptor := watch_exit(pid)) is not None:
            self._known[pid] = Known(descriptor)

    def look(self, now: float) -> list[Incident]:
        """The incidents of those that have died since the last look; at the first one, nobody knows when."""
        found = of_the_dead(self._folder, PREFIX)
        if found.unread:
            log.warning("%s", sentences.old_boxes(found.unread, self._folder))
        self._pending += [(one, now if self._has_looked else 0.0) for one in found.remains]
        self._has_looked = True
        self._forget_gone(now)
        return list(self._judged(now))

    def close(self) -> None:
        """Give back what is held."""
        for one in self._known.values():
            os.close(one.descriptor)
        self._known.clear()

    def send(self, pid: int, number: int) -> bool:
        """Send a signal to a web worker that has said hello and lives; False if there is none."""
        known = self._known.get(pid)
        if known is None:
            return False
        try:
            signal.pidfd_send_signal(known.descriptor, number)
        except OSError:  # it has just ended
            return False
        return True

    def _judged(self, now: float) -> Iterator[Incident]:
        pending, self._pending = self._pending, []
        for remains, heard_at in pending:
            status = self._status_of(remains.owner.pid)
            if status is None and now - heard_at < PATIENCE:
                self._pending.append((remains, heard_at))
            else:
                memory = has_run_out(remains, self._oom.count)
                yield incident_of(remains, Witnessed(heard_at > 0.0, memory, status))

    def _status_of(self, pid: int) -> int | None:
        known = self._known.get(pid)
        return exit_status(known.descriptor) if known is not None else None

    def _forget_gone(self, now: float) -> None:
        for pid, known in list(self._known.items()):
            if known.gone_at is None and _has_ended(known.descriptor):
                known.gone_at = now
            if known.gone_at is not None and now - known.gone_at > MEMORY:
                os.close(known.descriptor)
                del self._known[pid]


def _has_ended(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
