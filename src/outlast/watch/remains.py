"""Black boxes seen from outside: those of the living, and those that the dead have left, each read by one survivor."""

from __future__ import annotations

import fcntl
import json
import math
import os
import socket
import struct
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outlast.incidents import Cause, Flight
from outlast.kernel import boot_id
from outlast.ownership import open_own, why_not_own
from outlast.text import MOST_NAME, MOST_TRACEBACK, clean, one_line
from outlast.watch.box import (
    BEGAN,
    FLIGHTS_AT,
    LABEL,
    LABELS_AT,
    MARK,
    POKE,
    RECORD,
    SIZE,
    STALL_AT,
    VITALS,
    VITALS_AT,
    WHO_AT,
    Owner,
    Server,
    StallNote,
    State,
    Vitals,
)
from outlast.watch.flights import PLACES

SUFFIX, TAKEN = ".box", ".read"
FORGOTTEN = 60.0  # seconds
MOST_READ = 20  # boxes of one look; what is older is thrown away, and counted
_LONGEST_CRASH = 65_536  # bytes, as many as there is room for
_JUST_MADE = 2.0  # seconds: a box is empty for some microseconds, until its owner has locked it


@dataclass(frozen=True, slots=True)
class InBox:
    """Something that was in flight; `began` is monotonic seconds."""

    name: str
    task: int
    began: float


@dataclass(frozen=True, slots=True)
class Remains:
    """What a process has left, or has in its box while it lives.

    crash: what faulthandler wrote, or empty. crash_at: when that was, seconds since the epoch.
    """

    owner: Owner
    vitals: Vitals
    in_flight: tuple[InBox, ...]
    stall: StallNote | None
    crash: str
    crash_at: float = 0.0

    def flights(self, now: float) -> tuple[Flight, ...]:
        """What was in flight at `now` (monotonic seconds), the oldest first."""
        return tuple(
            Flight(one.name, max(0.0, now - one.began), one.task)
            for one in sorted(self.in_flight, key=lambda one: one.began)
        )


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
    owner = Owner(kind, pid, time.time(), socket.gethostname(), boot_id())
    now = time.monotonic()
    return Remains(owner, Vitals(now, now, State.SERVING, now, 0, 0), (), None, "")


def read(path: Path) -> Remains | None:
    """What a box says; None for noise. Never trust it: it is only as good as the process was in its last moment."""
    try:
        data = _part(path, 0, SIZE + 1)
        if len(data) != SIZE or not data.startswith(MARK):
            return None
        owner = _owner(_record(data, WHO_AT))
        began = BEGAN.unpack(_part(path, FLIGHTS_AT, BEGAN.size))
        return Remains(owner, _vitals(data), _in_flight(data, began), _stall(_record(data, STALL_AT)), *crash_of(path))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, struct.error):
        return None


def vitals_of(path: Path) -> Vitals | None:
    """Only the signs of life of a process that may live; None if there is no such box."""
    try:
        return _vitals(bytes(VITALS_AT) + _part(path, VITALS_AT, VITALS.size))
    except (OSError, ValueError, struct.error):
        return None


def _part(path: Path, at: int, size: int) -> bytes:
    descriptor = open_own(path, os.O_RDONLY)
    try:
        return os.pread(descriptor, size, at)
    finally:
        os.close(descriptor)


def crash_of(path: Path) -> tuple[str, float]:
    """What faulthandler wrote beside a box, and when."""
    try:
        file = path.with_suffix(".crash")
        found = file.lstat()
        end = _part(file, max(0, found.st_size - _LONGEST_CRASH), _LONGEST_CRASH)
        return end.partition(b"\0")[0].decode(errors="replace"), found.st_mtime
    except OSError:
        return "", 0.0


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
        if _is_just_made(os.fstat(descriptor)):
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


def _is_just_made(stat: os.stat_result) -> bool:
    return stat.st_size == 0 and abs(time.time() - stat.st_mtime) < _JUST_MADE


def _record(data: bytes, at: int) -> Mapping[str, Any]:
    """The JSON object at `at`; empty if there is none, or it was being written."""
    checksum, length = RECORD.unpack_from(data, at)
    body = data[at + RECORD.size : at + RECORD.size + length]
    if not body or len(body) != length or zlib.crc32(body) != checksum:
        return {}
    found = json.loads(body)
    return found if isinstance(found, dict) else {}


def _owner(found: Mapping[str, Any]) -> Owner:
    return Owner(
        kind=_short(found["kind"]),
        pid=_whole(found["pid"]),
        started_at=float(found["started_at"]),
        machine=_short(found["machine"]),
        boot=_short(found["boot"]),
        process=_whole(found["process"]),
        poke=_poke(found["poke"]),
        oom_kills=_whole(found["oom_kills"]),
        server=_server(found["server"]),
    )


def _server(found: Mapping[str, Any]) -> Server:
    patience, graceful = float(found["patience"]), float(found["graceful"])
    return Server(_short(found["name"]), patience, graceful, _short(found["looks_at"]))


def _whole(number: object) -> int:
    """One that the journal can store."""
    if not isinstance(number, int) or not 0 <= number < 1 << 63:
        raise ValueError(f"{number!r:.40} is no such number")
    return number


def _poke(number: object) -> int:
    """Ours or none: any other would end whoever gets it."""
    if number not in (0, POKE):
        raise ValueError(f"{number!r:.40} is not the signal that asks")
    return _whole(number)


def _short(text: object) -> str:
    return one_line(text, MOST_NAME)


def _vitals(data: bytes) -> Vitals:
    loop, watch, state, since, memory, oom_kills = VITALS.unpack_from(data, VITALS_AT)
    return Vitals(loop / 1e9, watch / 1e9, State(state), since / 1e9, memory, oom_kills)


def _in_flight(data: bytes, began_now: Sequence[float]) -> tuple[InBox, ...]:
    """Without what has begun or ended while this was read: its label may be that of another."""
    labels = LABEL.iter_unpack(data[LABELS_AT : LABELS_AT + PLACES * LABEL.size])
    return tuple(
        InBox(_short(name.rstrip(b"\0").decode(errors="replace")), task, began)
        for began, now, (task, name) in zip(BEGAN.unpack_from(data, FLIGHTS_AT), began_now, labels, strict=True)
        if 0 < began == now and math.isfinite(began)
    )


def _stall(found: Mapping[str, Any]) -> StallNote | None:
    if not found:
        return None
    flight = found["flight"]
    return StallNote(
        cause=Cause(found["cause"]),
        at=float(found["at"]),
        culprit=_short(found["culprit"]),
        call=_short(found["call"]),
        stack=clean(found["stack"], MOST_TRACEBACK),
        flight=Flight(_short(flight["name"]), float(flight["seconds"]), _whole(flight["task"])) if flight else None,
        is_over=bool(found["is_over"]),
    )
