"""Processes in which nothing runs: somebody in C holds the interpreter's lock, and only a signal finds out who.

faulthandler writes the stacks from within the signal handler. It walks frames, so a process that runs Python code may
crash of it (1 in 400 to 4100 times, measured), one whose lock is held in C does not (0 in 11 400). Therefore a process
is asked only when its event loop and its watching thread have both been silent at two looks, and it did not stand in
line for a processor meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from outlast.watch import sentences
from outlast.watch.box import State, Vitals
from outlast.watch.crash import site_in_crash
from outlast.watch.remains import boxes_in, read, vitals_of

log = logging.getLogger("outlast")
SILENT = 1.0  # seconds
BETWEEN = 0.5  # seconds between two looks at a process
FAIR = 0.2  # share of the time between two looks that a process may have stood in line


@dataclass(slots=True)
class Silent:
    """One that was silent at the last look, since the monotonic second `since`. `waited`: as the scheduler counts."""

    since: float
    seen_at: float
    waited: float
    is_asked: bool = False
    is_told: bool = False


class Pokes:
    """`send(pid, signal)` sends a signal to a process that this runner knows; False for all others."""

    def __init__(self, folder: Path, send: Callable[[int, int], bool]) -> None:
        self._folder = folder
        self._send = send
        self._silent: dict[Path, Silent] = {}

    def look(self, now: float) -> None:
        """Ask who is silent for the second time, tell what was answered to the last question."""
        before, self._silent = self._silent, {}
        for path in boxes_in(self._folder):
            vitals = vitals_of(path)
            if vitals is not None and is_silent(vitals, now):
                self._silent[path] = self._follow(path, vitals, before.get(path), now)

    def _follow(self, path: Path, vitals: Vitals, before: Silent | None, now: float) -> Silent:
        if before is not None and now - before.seen_at < BETWEEN:
            return before
        owner = getattr(read(path), "owner", None)
        pid = owner.pid if owner is not None else 0
        seen = Silent(vitals.loop_beat, now, _waited(pid))
        if before is None or before.since != seen.since or owner is None:
            return seen
        seen.is_asked, seen.is_told = before.is_asked, before.is_told
        if not seen.is_asked and seen.waited - before.waited < FAIR * (now - before.seen_at):
            seen.is_asked = bool(owner.poke) and _is_awake(pid) and self._send(pid, owner.poke)
        elif seen.is_asked and not seen.is_told:
            seen.is_told = _tell(path, now)
        return seen


def is_silent(vitals: Vitals, now: float) -> bool:
    """Whether a process that serves shows no sign of life, neither on its loop nor in its watching thread."""
    return vitals.state is State.SERVING and now - max(vitals.loop_beat, vitals.watch_beat) > SILENT


def _tell(path: Path, now: float) -> bool:
    remains = read(path)
    if remains is None or not remains.crash:
        return False
    seconds = now - max(remains.vitals.loop_beat, remains.vitals.watch_beat)
    owner = remains.owner
    log.warning("%s", sentences.nothing_runs(owner.kind, owner.pid, seconds, site_in_crash(remains.crash)))
    return True


def _waited(pid: int) -> float:
    """Seconds that a process has stood in line for a processor (proc_pid_schedstat); 0 if nobody counts."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _is_awake(pid: int) -> bool:
    """Whether a process runs or sleeps, and is not stopped: a stopped one would find the signal when it goes on."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in ("R", "S")
