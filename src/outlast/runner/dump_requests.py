"""Processes in which nothing runs: somebody in C holds the interpreter's lock, and only a signal finds out who.

faulthandler writes the stacks from within the signal handler. It walks frames, so a process that runs Python code may
crash of it (1 in 400 to 4100 times, measured), one whose lock is held in C does not (0 in 11 400). Therefore a process
is asked only when its event loop and its watching thread have both been silent at two looks, although it had a
processor, or did not ask for one. One that somebody has stopped is not asked: that is what is to be said of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from outlast.events import stalls
from outlast.runner.pools import Pools
from outlast.runner.web_exits import WebExits
from outlast.system.kernel import catches, is_stopped, state_of
from outlast.system.place import Place
from outlast.system.processor import times_of
from outlast.watch.layout import LifeState, Owner, Vitals
from outlast.watch.recovered import boxes_in, read, vitals_of

SILENT = 1.0  # seconds
BETWEEN = 0.5  # seconds between two looks
FAIR = 0.2  # share of the time between two looks that a thread may have stood in line, or has to have run


@dataclass(slots=True)
class Silent:
    """One that was silent at the last look, since the monotonic second `since`.

    ran, waited: how long its main thread has had, and stood in line for, a processor by then (s).
    """

    since: float
    seen_at: float
    ran: float
    waited: float
    is_asked: bool = False
    is_told: bool = False


class DumpRequests:
    """Of those who have a black box at `place`. Nobody unknown gets a signal: a pid may be another's by now."""

    def __init__(self, place: Place, pools: Pools, exits: WebExits) -> None:
        self._place = place
        self._known = pools, exits
        self._silent: dict[Path, Silent] = {}
        self._next_look = 0.0

    def look(self, now: float) -> None:
        """Ask who is silent for the second time, tell what was answered to the last question."""
        if now < self._next_look:
            return
        self._next_look = now + BETWEEN
        before, self._silent = self._silent, {}
        for path in boxes_in(self._place.state, self._place.prefix):
            vitals = vitals_of(path)
            if vitals is not None and is_silent(vitals, now):
                self._silent[path] = self._follow(path, vitals, before.get(path), now)

    def _follow(self, path: Path, vitals: Vitals, before: Silent | None, now: float) -> Silent:
        owner = getattr(read(path), "owner", None)
        pid = owner.pid if owner is not None else 0
        seen = Silent(vitals.loop_beat, now, *times_of(pid))
        if before is None or before.since != seen.since or owner is None:
            return seen
        seen.is_asked, seen.is_told = before.is_asked, before.is_told
        if is_stopped(pid):
            if not seen.is_told:
                stalls.StandsStill(owner.kind, owner.pid, now - vitals.loop_beat).tell()
            seen.is_told = True
        elif not seen.is_asked and had_its_share(before, seen):
            seen.is_asked = _can_be_asked(owner) and any(one.send(pid, owner.poke) for one in self._known)
        elif seen.is_asked and not seen.is_told:
            seen.is_told = _tell_running_nothing(path, now)
        return seen


def is_silent(vitals: Vitals, now: float) -> bool:
    """Whether a process that serves shows no sign of life, neither on its loop nor in its watching thread."""
    return vitals.state is LifeState.SERVING and now - max(vitals.loop_beat, vitals.watch_beat) > SILENT


def had_its_share(before: Silent, seen: Silent) -> bool:
    """Whether a process could have shown a sign of life between two looks, if its lock had been free."""
    share = FAIR * (seen.seen_at - before.seen_at)
    return seen.waited - before.waited < share or seen.ran - before.ran > share


def _tell_running_nothing(path: Path, now: float) -> bool:
    remains = read(path)
    if remains is None or not remains.crash:
        return False
    seconds = now - max(remains.vitals.loop_beat, remains.vitals.watch_beat)
    owner = remains.owner
    stalls.NothingRuns(owner.kind, owner.pid, seconds, str(remains.crash.site or "")).tell()
    return True


def _can_be_asked(owner: Owner) -> bool:
    """Whether it runs or sleeps, and still has its handler: user code may have reset all, and would die of it."""
    return bool(owner.poke) and state_of(owner.pid) in ("R", "S") and catches(owner.pid, owner.poke)
