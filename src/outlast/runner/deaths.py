"""Web workers that die: they are not the runner's children, but it hears of their end at once, and says why."""

from __future__ import annotations

import logging
import os
import re
import select
import signal
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from outlast.incidents import Incident
from outlast.kernel import start_of
from outlast.place import Place
from outlast.watch import sentences
from outlast.watch.autopsy import Witnessed, has_run_out, incident_of
from outlast.watch.exits import exit_status, watch_exit
from outlast.watch.memory import OomKills
from outlast.watch.remains import Remains, boxes_in, of_the_dead

log = logging.getLogger("outlast")
PREFIX = "web-"
_NAME = re.compile(r"web-(?P<pid>\d{1,10})-(?P<ticks>\d{1,18})-")
PATIENCE = 2.0  # seconds until a verdict is given without the exit status: its parent may never reap it
MEMORY = 5.0  # seconds for which the end of a web worker is remembered that has left no box


@dataclass(slots=True)
class Known:
    """A web worker that has said hello; `descriptor` is its pidfd. `gone_at`: when it was seen dead, monotonic."""

    descriptor: int
    gone_at: float | None = None


class Deaths:
    """Of the web workers whose boxes are at `place`."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._boxes = place.prefix + PREFIX
        self._known: dict[int, Known] = {}
        self._pending: list[tuple[Remains, float | None]] = []
        self._oom = OomKills()
        self._has_looked = False
        self._foreign = 0
        self._met: set[Path] = set()

    def expect(self, pid: int) -> None:
        """A web worker has said hello: its end shall not go unseen."""
        self._forget_gone(time.monotonic())
        if pid and pid not in self._known and (descriptor := watch_exit(pid)) is not None:
            self._known[pid] = Known(descriptor)

    def look(self, now: float) -> list[Incident]:
        """The incidents of those that have died since the last look; at the first one, nobody knows when."""
        self._meet()
        found = of_the_dead(self._place.folder, self._boxes)
        if found.unread:
            log.warning("%s", sentences.old_boxes(found.unread, self._place.folder))
        if found.foreign > self._foreign:
            log.warning("%s", sentences.foreign_boxes(found.foreign, self._place.folder))
        self._foreign = found.foreign
        self._pending += [(one, self._heard_at(one, now)) for one in found.remains]
        self._has_looked = True
        self._forget_gone(now)
        return list(self._judged(now))

    def _meet(self) -> None:
        """Those that have a box and nothing to say to a runner have an end, too."""
        there = set(boxes_in(self._place.folder, self._boxes))
        for path in there - self._met:
            named = self._named(path)
            if named and start_of(int(named["pid"])) == int(named["ticks"]):  # else of another pid namespace, or dead
                self.expect(int(named["pid"]))
        self._met = there

    @property
    def is_busy(self) -> bool:
        """Whether a verdict waits for an exit status, or to be looked for: one that said no hello hangs up nowhere."""
        return bool(self._pending) or any(self._is_left_by_the_dead(path) for path in self._met)

    @property
    def sees_a_server(self) -> bool:
        """Whether a web worker lives that keeps a box, though it may never have had anything to say to a runner."""
        return any(self._serves(path) for path in self._met)

    def sees_others_than(self, pids: Collection[int]) -> bool:
        """Whether one of them is none of these."""
        return any(self._serves(path, but=pids) for path in self._met)

    def _named(self, path: Path) -> re.Match[str] | None:
        return _NAME.match(path.name.removeprefix(self._place.prefix))

    def _serves(self, path: Path, but: Collection[int] = ()) -> bool:
        """Whether the web worker of a box lives, and is none of `but`."""
        known = self._known_of(path, but)
        return known is not None and path.exists() and not _has_ended(known.descriptor)

    def _is_left_by_the_dead(self, path: Path) -> bool:
        known = self._known_of(path)
        return known is not None and path.exists() and _has_ended(known.descriptor)

    def _known_of(self, path: Path, but: Collection[int] = ()) -> Known | None:
        named = self._named(path)
        return self._known.get(int(named["pid"])) if named and int(named["pid"]) not in but else None

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

    def _heard_at(self, remains: Remains, now: float) -> float | None:
        """None for one that may have died long ago."""
        return now if self._has_looked or remains.owner.pid in self._known else None

    def _judged(self, now: float) -> Iterator[Incident]:
        pending, self._pending = self._pending, []
        for remains, heard_at in pending:
            status = self._status_of(remains.owner.pid)
            if status is None and heard_at is not None and now - heard_at < PATIENCE:
                self._pending.append((remains, heard_at))
            else:
                memory = has_run_out(remains, self._oom.count)
                yield incident_of(remains, Witnessed(heard_at, memory, status))

    def _status_of(self, pid: int) -> int | None:
        known = self._known.get(pid)
        return exit_status(pid, known.descriptor) if known is not None else None

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
