"""The processes that take part, as the kernel and their black boxes tell of them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from outlast.board.visit import Visit
from outlast.ids import shown
from outlast.journal.read import Presence
from outlast.journal.telling import KINDS
from outlast.system.kernel import boot_id, stat_of
from outlast.system.liveness import liveness_here
from outlast.system.memory import resident_bytes
from outlast.system.place import Place
from outlast.system.process import this
from outlast.watch.incident import Flight
from outlast.watch.layout import LifeState
from outlast.watch.recovered import Remains, boxes_in, read

_TICKS = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12  # of what the kernel tells of a process, from its state on
_BEATING = frozenset({LifeState.SERVING, LifeState.STOPPING})
ALL_IS_WELL = 0.6  # seconds of silence of an event loop that beats four times a second


@dataclass(frozen=True, slots=True)
class Running:
    """What is in flight in a process. task: its id as people see it, empty for a request. seconds: since it began."""

    name: str
    task: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that lives. silence: of its event loop (s), None where it need not beat or nothing tells.

    lag, worst_lag: by how much its loop ran late at its last beat, and at most since it has started (s); None alike.
    memory: bytes. processor: the share of one processor that it has had since it began. state: how far its life has
    come; empty where nothing tells. stalled: what has blocked its loop last, empty for nothing.
    """

    kind: str
    pid: int
    started_at: float
    memory: int
    processor: float
    state: str = ""
    silence: float | None = None
    lag: float | None = None
    worst_lag: float | None = None
    stalled: str = ""
    running: tuple[Running, ...] = ()

    @property
    def is_blocked(self) -> bool:
        """Whether its event loop is silent for longer than it should."""
        return self.silence is not None and self.silence > ALL_IS_WELL


def workers(present: Sequence[Presence], visit: Visit) -> list[Worker]:
    """Those of `present` that live, without the requests by which somebody looks at this dashboard."""
    boxes = {(one.owner.kind, one.owner.pid): one for one in _boxes(visit.place)}
    found = [
        _worker(one, boxes.get((KINDS.get(one.kind, one.kind), one.pid)), visit.now)
        for one in living(present, visit.place)
    ]
    return [replace(one, running=_without_looks(one.running, visit.links.root)) for one in found]


def _without_looks(running: Sequence[Running], root: str) -> tuple[Running, ...]:
    is_look = re.compile(rf"[A-Z]+ {re.escape(root)}/").match
    return tuple(one for one in running if one.task or not root or not is_look(one.name))


def living(present: Sequence[Presence], place: Place) -> list[Presence]:
    """Those that live, by the locks that this process has open already: to close that file again would drop its own."""
    if not place.locks.exists():
        return []
    own = {service.membership.process for service in this.apps.services}  # a process does not see its own lock
    try:
        liveness = liveness_here(place)
        return [one for one in present if one.id in own or liveness.holder(one.id) is not None]
    except OSError:
        return list(present)


def _boxes(place: Place) -> list[Remains]:
    """Of this boot, whose clock is ours; this process's own from its memory, since to close the file drops its lock."""
    own = f"{place.prefix}web-{os.getpid()}-"
    found = [read(path) for path in boxes_in(place.state, place.prefix) if not path.name.startswith(own)]
    found += [service.watch.remains for service in this.apps.services if service.place == place]
    boot = boot_id()
    return [one for one in found if one is not None and one.owner.boot == boot]


def _worker(one: Presence, box: Remains | None, now: float) -> Worker:
    kind = KINDS.get(one.kind, one.kind)
    known = Worker(kind, one.pid, one.started_at, resident_bytes(one.pid), _share(one.pid, now - one.started_at))
    return known if box is None else _seen_in(box, known, time.monotonic())


def _seen_in(box: Remains, known: Worker, clock: float) -> Worker:
    vitals = box.vitals
    silence = max(0.0, clock - vitals.loop_beat) if vitals.state in _BEATING else None
    is_late = silence is not None and silence > ALL_IS_WELL
    return replace(
        known,
        memory=known.memory or vitals.memory,
        state=vitals.state.name.lower().replace("_", " "),
        silence=silence,
        lag=silence if is_late else None if silence is None else vitals.lag,
        worst_lag=max(vitals.worst_lag, silence if silence is not None and is_late else 0.0),
        stalled=box.stall.culprit or box.stall.call if box.stall is not None else "",
        running=tuple(_running(flight) for flight in box.flights(clock)),
    )


def _running(flight: Flight) -> Running:
    return Running(flight.name, shown(flight.task) if flight.task else "", flight.seconds)


def _share(pid: int, seconds: float) -> float:
    stat = stat_of(pid)
    return (int(stat[_USER]) + int(stat[_SYSTEM])) / _TICKS / max(seconds, 1.0) if stat else 0.0
