"""Web workers that die: what they have left in the folder, and why it was."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from outlast.events import deaths
from outlast.runner.web_exits import WebExits
from outlast.system.kernel import start_of
from outlast.system.place import Place
from outlast.watch.incident import Incident
from outlast.watch.post_mortem import has_run_out, incident_of, witnessed
from outlast.watch.recovered import Remains, boxes_in, of_the_dead

PREFIX = "web-"
_NAME = re.compile(r"web-(?P<pid>\d{1,10})-(?P<ticks>\d{1,18})-")
PATIENCE = 2.0  # seconds until a verdict is given without the exit status: its parent may never reap it


class WebDeaths:
    """Of the web workers whose boxes are at `place`. exits: how they end; last_seen: when (monotonic) one did last."""

    def __init__(self, place: Place) -> None:
        self.exits = WebExits()
        self.last_seen = -math.inf
        self._place = place
        self._boxes = place.prefix + PREFIX
        self._pending: list[tuple[Remains, float | None]] = []
        self._has_looked = False
        self._foreign = 0
        self._met: dict[Path, int] = {}  # the pid of each box

    def look(self, now: float) -> list[Incident]:
        """The incidents of those that have died since the last look; at the first one, nobody knows when."""
        self._meet(now)
        found = of_the_dead(self._place.state, self._boxes)
        if found.unread:
            deaths.OldBoxes(found.unread, self._place.state).tell()
        if found.foreign > self._foreign:
            deaths.ForeignBoxes(found.foreign, self._place.state).tell()
        self._foreign = found.foreign
        self._pending += [(one, self._heard_at(one, now)) for one in found.remains]
        if any(heard_at is not None for _, heard_at in self._pending):
            self.last_seen = now
        self._has_looked = True
        self.exits.forget_gone(now)
        return list(self._judged(now))

    def _meet(self, now: float) -> None:
        """Those that have a box and nothing to say to a runner have an end, too."""
        there = {path: self._named(path) for path in boxes_in(self._place.state, self._boxes)}
        for path in there.keys() - self._met.keys():
            pid, ticks = there[path]
            if pid and start_of(pid) == ticks:  # else of another pid namespace, or dead
                self.exits.expect(pid, now)
        self._met = {path: pid for path, (pid, _) in there.items()}

    def _named(self, path: Path) -> tuple[int, int]:
        """The pid in the name of a box, and when that process began, in ticks of the kernel; 0 if it tells none."""
        named = _NAME.match(path.name.removeprefix(self._place.prefix))
        return (int(named["pid"]), int(named["ticks"])) if named else (0, 0)

    @property
    def is_busy(self) -> bool:
        """Whether a verdict waits for an exit status, or to be looked for: one that said no hello hangs up nowhere."""
        return bool(self._pending) or any(self.exits.has_ended(pid) for pid in self._owners())

    def sees_others_than(self, pids: Collection[int]) -> bool:
        """Whether a web worker lives that keeps a box and is none of these: it may never have had anything to say."""
        return any(not self.exits.has_ended(pid) for pid in self._owners() if pid not in pids)

    def _owners(self) -> Iterator[int]:
        """Those that were met and have a box still."""
        return (pid for path, pid in self._met.items() if pid in self.exits.pids and path.exists())

    def _heard_at(self, remains: Remains, now: float) -> float | None:
        """None for one that may have died long ago."""
        return now if self._has_looked or remains.owner.pid in self.exits.pids else None

    def _judged(self, now: float) -> Iterator[Incident]:
        pending, self._pending = self._pending, []
        for remains, heard_at in pending:
            status = self.exits.status_of(remains.owner.pid)
            if status is None and heard_at is not None and now - heard_at < PATIENCE:
                self._pending.append((remains, heard_at))
            else:
                memory = has_run_out(remains)
                yield incident_of(witnessed(remains, heard_at, status=status, out_of_memory=memory))
