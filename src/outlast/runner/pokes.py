"""Processes in which nothing runs: somebody in C holds the interpreter's lock, and only a signal finds out who.

faulthandler writes the stacks from within the signal handler. It walks frames, so a process that runs Python code may
crash of it (1 in 400 to 4100 times, measured), one whose lock is held in C does not (0 in 11 400). Therefore a process
is asked only when its event loop and its watching thread have both been silent at two looks, although it had a
processor, or did not ask for one. One that somebody has stopped is not asked: that is what is to be said of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from outlast.kernel import catches, is_stopped, state_of
from outlast.place import Place
from outlast.watch import sentences
from outlast.watch.box import Owner, State, Vitals
from outlast.watch.crash import site_in_crash
from outlast.watch.remains import boxes_in, read, vitals_of

log = logging.getLogger("outlast")
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


class Pokes:
    """`send(pid, signal)` sends a signal to a process that this runner knows; False for all others."""

    def __init__(self, place: Place, send: Callable[[int, int], bool]) -> None:
        self._place = place
        self._send = send
        self._silent: dict[Path, Silent] = {}
        self._next_look = 0.0

    def look(self, now: float) -> None:
        """Ask who is silent for the second time, tell what was answered to the last question."""
        if now < self._next_look:
            return
        self._next_look = now + BETWEEN
        before, self._silent = self._silent, {}
        for path in boxes_in(self._place.folder, self._place.prefix):
            vitals = vitals_of(path)
            if vitals is not None and is_silent(vitals, now):
                self._silent[path] = self._follow(path, vitals, before.get(path), now)

    def _follow(self, path: Path, vitals: Vitals, before: Silent | None, now: float) -> Silent:
        owner = getattr(read(path), "owner", None)
        pid = owner.pid if owner is not None else 0
        seen = Silent(vitals.loop_beat, now, *_processor_time(pid))
        if before is None or before.since != seen.since or owner is None:
            return seen
        seen.is_asked, seen.is_told = before.is_asked, before.is_told
        if is_stopped(pid):
            seen.is_told = seen.is_told or _tell_stopped(owner, now - vitals.loop_beat)
        elif not seen.is_asked and had_its_share(before, seen):
            seen.is_asked = _can_be_asked(owner) and self._send(pid, owner.poke)
        elif seen.is_asked and not seen.is_told:
            seen.is_told = _tell(path, now)
        return seen


def is_silent(vitals: Vitals, now: float) -> bool:
    """Whether a process that serves shows no sign of life, neither on its loop nor in its watching thread."""
    return vitals.state is State.SERVING and now - max(vitals.loop_beat, vitals.watch_beat) > SILENT


def had_its_share(before: Silent, seen: Silent) -> bool:
    """Whether a process could have shown a sign of life between two looks, if its lock had been free."""
    share = FAIR * (seen.seen_at - before.seen_at)
    return seen.waited - before.waited < share or seen.ran - before.ran > share


def _tell(path: Path, now: float) -> bool:
    remains = read(path)
    if remains is None or not remains.crash:
        return False
    seconds = now - max(remains.vitals.loop_beat, remains.vitals.watch_beat)
    owner = remains.owner
    log.warning("%s", sentences.nothing_runs(owner.kind, owner.pid, seconds, site_in_crash(remains.crash)))
    return True


def _tell_stopped(owner: Owner, seconds: float) -> bool:
    log.warning("%s", sentences.stands_still(owner.kind, owner.pid, seconds))
    return True


def _processor_time(pid: int) -> tuple[float, float]:
    """Seconds that a process's main thread has run, and waited to (proc_pid_schedstat); 0 if nobody counts."""
    try:
        ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()
        return int(ran) / 1e9, int(waited) / 1e9
    except (OSError, ValueError):
        return 0.0, 0.0


def _can_be_asked(owner: Owner) -> bool:
    """Whether it runs or sleeps, and still has its handler: user code may have reset all, and would die of it."""
    return bool(owner.poke) and state_of(owner.pid) in ("R", "S") and catches(owner.pid, owner.poke)
