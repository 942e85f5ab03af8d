"""Black boxes seen from outside: those of the living, and those that the dead have left, each read by one survivor."""

from __future__ import annotations

import fcntl
import json
import math
import os
import struct
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outlast.system.kernel import boot_id
from outlast.system.machine import HOST
from outlast.system.ownership import open_own, why_not_own
from outlast.text import MOST_TRACEBACK, clean
from outlast.watch import layout
from outlast.watch.crash import NO_CRASH, Crash
from outlast.watch.flights import InFlight
from outlast.watch.incident import Cause, Flight, made, short, whole
from outlast.watch.layout import LifeState, Owner, Server, StallNote, Vitals

SUFFIX, TAKEN = ".box", ".read"
FORGOTTEN = 60.0  # seconds
MOST_READ = 20  # boxes of one look; what is older is thrown away, and counted
_LONGEST_CRASH = 65_536  # bytes, as many as there is room for
_JUST_MADE = 2.0  # seconds: a box is empty for some microseconds, until its owner has locked it


@dataclass(frozen=True, slots=True)
class Remains:
    """What a process has left, or has in its box while it lives."""

    owner: Owner
    vitals: Vitals
    in_flight: tuple[InFlight, ...]
    stall: StallNote | None
    crash: Crash = NO_CRASH

    def flights(self, now: float) -> tuple[Flight, ...]:
        """What was in flight at `now` (monotonic seconds), the oldest first."""
        return tuple(one.seen(now) for one in sorted(self.in_flight, key=lambda one: one.began))


@dataclass(frozen=True, slots=True)
class Found:
    """What a look for the dead has brought. `unread` boxes were too old or not readable, and are gone.

    foreign: how many files are named like boxes and are none: they belong to somebody else, or are links or pipes.
    """

    remains: Sequence[Remains]
    unread: int
    foreign: int = 0


def of_the_dead(folder: Path, prefix: str, own: str = "") -> Found:
    """Take the boxes, named `prefix`…, whose owners are dead. Those named `own`… are the caller's: it must not open
    them a second time, which would drop its lock."""
    there = [one for one in boxes_in(folder, prefix) if not own or not one.name.startswith(own)]
    foreign = {one for one in there if _is_foreign(one)}
    paths = sorted((one for one in there if one not in foreign), key=_age)
    won = [claimed for path in paths if (claimed := _claimed(path)) is not None]
    readable = [one for path in won[:MOST_READ] if (one := read(path)) is not None]
    for path in (*won, *_left_over(folder, prefix)):
        remove(path)
    return Found(readable, len(won) - len(readable), len(foreign))


def _left_over(folder: Path, prefix: str) -> list[Path]:
    """Boxes that a survivor had taken, and then died of something itself before it had read them."""
    long_ago = time.time() - FORGOTTEN
    return [path for path in _named(folder, prefix, TAKEN) if not _is_foreign(path) and _age(path) > -long_ago]


def bare_remains(kind: str, pid: int) -> Remains:
    """Of a process of this machine that has left no box."""
    owner = Owner(kind, pid, time.time(), HOST, boot_id())
    now = time.monotonic()
    return Remains(owner, Vitals(now, now, LifeState.SERVING, now, 0, 0), (), None)


def read(path: Path) -> Remains | None:
    """What a box says; None for noise. Never trust it: it is only as good as the process was in its last moment."""
    try:
        data = _part(path, 0, layout.SIZE + 1)
        began = layout.BEGAN.unpack(_part(path, layout.FLIGHTS_AT, layout.BEGAN.size))
        return _remains(data, began, _crash_of(path))
    except _NOISE:
        return None


def read_own(content: bytes) -> Remains | None:
    """The same of what this process has written into its own box, whose file it must not open a second time."""
    try:
        return _remains(content, layout.BEGAN.unpack_from(content, layout.FLIGHTS_AT), NO_CRASH)
    except _NOISE:
        return None


_NOISE = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, struct.error)


def _remains(data: bytes, began_now: Sequence[float], crash: Crash) -> Remains | None:
    if len(data) != layout.SIZE or not data.startswith(layout.MARK):
        return None
    owner, stall = _owner(_record(data, layout.WHO_AT)), _stall(_record(data, layout.STALL_AT))
    return Remains(owner, _vitals(data), _in_flight(data, began_now), stall, crash)


def vitals_of(path: Path) -> Vitals | None:
    """Only the signs of life of a process that may live; None if there is no such box."""
    try:
        return _vitals(bytes(layout.VITALS_AT) + _part(path, layout.VITALS_AT, layout.VITALS.size))
    except (OSError, ValueError, struct.error):
        return None


def _part(path: Path, at: int, size: int) -> bytes:
    descriptor = open_own(path, os.O_RDONLY)
    try:
        return os.pread(descriptor, size, at)
    finally:
        os.close(descriptor)


def _crash_of(path: Path) -> Crash:
    """What faulthandler wrote beside a box."""
    try:
        file = path.with_suffix(".crash")
        found = file.lstat()
        end = _part(file, max(0, found.st_size - _LONGEST_CRASH), _LONGEST_CRASH)
        return Crash.read(end.partition(b"\0")[0].decode(errors="replace"), found.st_mtime)
    except OSError:
        return NO_CRASH


def remove(path: Path) -> None:
    """Throw away a box and what belongs to it."""
    for file in (path, path.with_suffix(".crash")):
        with suppress(OSError):
            file.unlink()


def boxes_in(folder: Path, prefix: str = "") -> list[Path]:
    """The boxes in a folder, of the living and the dead; not those of a journal with a longer name."""
    return [one for one in _named(folder, prefix, SUFFIX) if "." not in one.name[len(prefix) : -len(SUFFIX)]]


def _named(folder: Path, prefix: str, suffix: str) -> list[Path]:
    try:
        names = os.listdir(folder)  # noqa: PTH208 - the names are all that is needed
    except OSError:
        return []
    return [folder / name for name in names if name.startswith(prefix) and name.endswith(suffix)]


def _is_foreign(path: Path) -> bool:
    try:
        return bool(why_not_own(path.lstat()))
    except OSError:
        return False


def _age(path: Path) -> float:
    try:
        return -path.lstat().st_mtime
    except OSError:
        return 0.0


def _claimed(path: Path) -> Path | None:
    """Under the name it has once it is ours; None if its owner lives, or another survivor was faster.

    Whoever comes second may hold the lock of a file that has moved meanwhile: its name tells.
    """
    mine = path.with_name(f"{path.stem}.{os.getpid()}{TAKEN}")
    try:
        descriptor = open_own(path, os.O_RDWR)
    except OSError:
        return None
    try:
        if _is_justmade(os.fstat(descriptor)):
            return None
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(descriptor), path.lstat()):
            return None
        path.rename(mine)
        with suppress(OSError):
            path.with_suffix(".crash").rename(mine.with_suffix(".crash"))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return mine


def _is_justmade(stat: os.stat_result) -> bool:
    return stat.st_size == 0 and abs(time.time() - stat.st_mtime) < _JUST_MADE


def _record(data: bytes, at: int) -> Mapping[str, Any]:
    """The JSON object at `at`; empty if there is none, or it was being written."""
    checksum, length = layout.RECORD.unpack_from(data, at)
    body = data[at + layout.RECORD.size : at + layout.RECORD.size + length]
    if not body or len(body) != length or zlib.crc32(body) != checksum:
        return {}
    found = json.loads(body)
    return found if isinstance(found, dict) else {}


def _owner(found: Mapping[str, Any]) -> Owner:
    given = {"oom_file": "", **found}  # in a box of the release before there is none
    return made(Owner, given, poke=_poke, server=lambda server: made(Server, server))


def _poke(number: object) -> int:
    """Ours or none: any other would end whoever gets it."""
    if number not in (0, layout.POKE):
        raise ValueError(f"{number!r:.40} is not the signal that asks")
    return whole(number)


def _vitals(data: bytes) -> Vitals:
    loop, watch, state, since, memory, oom_kills, lag, worst = layout.VITALS.unpack_from(data, layout.VITALS_AT)
    return Vitals(loop / 1e9, watch / 1e9, LifeState(state), since / 1e9, memory, oom_kills, lag / 1e9, worst / 1e9)


def _in_flight(data: bytes, began_now: Sequence[float]) -> tuple[InFlight, ...]:
    """Without what has begun or ended while this was read: its label may be that of another."""
    labels = layout.LABEL.iter_unpack(data[layout.LABELS_AT : layout.LABELS_AT + layout.PLACES * layout.LABEL.size])
    return tuple(
        InFlight(short(name.rstrip(b"\0").decode(errors="replace")), task, "", began)
        for began, now, (task, name) in zip(
            layout.BEGAN.unpack_from(data, layout.FLIGHTS_AT), began_now, labels, strict=True
        )
        if 0 < began == now and math.isfinite(began)
    )


def _stall(found: Mapping[str, Any]) -> StallNote | None:
    if not found:
        return None
    return made(
        StallNote,
        found,
        cause=Cause,
        stack=lambda stack: clean(stack, MOST_TRACEBACK),
        flight=lambda flight: made(Flight, flight) if flight else None,
    )
