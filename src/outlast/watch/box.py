"""The black box: one small file a process, mapped into its memory, that can be read whatever ended the process.

What is written there needs no system call, so it is there after SIGKILL, though not after a power cut. Its space is
reserved when it is made: a disk that gets full later cannot hurt the process. The owner holds a POSIX lock on it, and
the kernel drops that lock at any death. Not flock, which forked children would keep (measured).

    0      mark, then who the owner is
    1024   beats, state, memory
    2048   what is in flight: when each of 64 has begun, 0 for none, then its task and name
    14336  the last stall
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import signal
import struct
import time
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from enum import IntEnum
from pathlib import Path

from outlast.incidents import Cause, Flight
from outlast.watch.flights import PLACES

SIZE = 32_768
MARK = b"outlast1"
WHO_AT, VITALS_AT, FLIGHTS_AT, STALL_AT = 8, 1024, 2048, 14_336
SHORT_STACK, SHORT_NAME = 2_000, 200  # characters that fit whatever they are
POKE = signal.SIGRTMIN + 9 if hasattr(signal, "SIGRTMIN") else 0
CRASH_ROOM = 65_536  # bytes reserved for what faulthandler writes
RECORD = struct.Struct("<II")  # checksum, length
VITALS = struct.Struct("<qqqqqq")
BEGAN = struct.Struct(f"={PLACES}d")  # monotonic seconds
LABEL = struct.Struct("<q176s")  # task, name and zeros
LABELS_AT = FLIGHTS_AT + BEGAN.size
_LOOP_BEAT_AT, _WATCH_BEAT_AT, _STATE_AT, _MEMORY_AT = (VITALS_AT + at for at in (0, 8, 16, 32))
_ONE, _TWO = struct.Struct("<q"), struct.Struct("<qq")


class State(IntEnum):
    """How far the life of a process has come. Numbers are in files: never renumber."""

    STARTING = 0
    SERVING = 1
    STOPPING = 2
    RESTING = 3  # it has nothing to do, so its loop does not beat
    CUT_OFF = 4  # it ends itself, since the runner tells it nothing more and hears nothing


@dataclass(frozen=True, slots=True)
class Server:
    """Which server runs a web worker. `patience`: how many seconds of silence it grants; 0 where it does not look.

    graceful: how many seconds it grants for a stop; 0 without end. looks_at: `loop` if its look needs the event loop,
    `lock` if a thread answers, so that only a held interpreter's lock is noticed.
    """

    name: str = ""
    patience: float = 0.0
    graceful: float = 0.0
    looks_at: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose box it is. `kind` is `web worker` or `task process`; `process` its row in the journal, 0 before it has one.

    machine and boot tell whether monotonic times mean anything to the reader. poke: a signal on which the process
    writes its stack, 0 for none. oom_kills: the kernel's count when it began.
    """

    kind: str
    pid: int
    started_at: float
    machine: str
    boot: str
    process: int = 0
    poke: int = 0
    oom_kills: int = 0
    server: Server = field(default_factory=Server)


@dataclass(frozen=True, slots=True)
class Vitals:
    """The signs of life, monotonic seconds, and resident memory in bytes. `oom_kills`: the kernel's count by then."""

    loop_beat: float
    watch_beat: float
    state: State
    state_since: float
    memory: int
    oom_kills: int


@dataclass(frozen=True, slots=True)
class StallNote:
    """The last stall of a process, as far as it was seen. `at` is when it began, monotonic seconds."""

    cause: Cause
    at: float
    culprit: str
    call: str
    stack: str
    flight: Flight | None
    is_over: bool


class Box:
    """The owner's side. Every write is cheap and none can fail. Not for a forked process: it has the same map.

    began: what is in flight, by place; see `Flights`.
    """

    def __init__(self, path: Path, owner: Owner) -> None:
        """Raises OSError when there is no room, no folder, or already such a file."""
        self.path = path
        self.crash_file = os.fdopen(_made(path.with_suffix(".crash")), "wb", buffering=0)
        self._descriptor = -1
        try:
            self._descriptor = _made(path)
            self._map = _mapped(self._descriptor)
            _reserve(self.crash_file.fileno(), CRASH_ROOM)
        except OSError:
            self._remove()
            self.let_go()
            raise
        self.began = memoryview(self._map)[FLIGHTS_AT:LABELS_AT].cast("d")
        self.state = State.STARTING
        _TWO.pack_into(self._map, _STATE_AT, self.state, time.monotonic_ns())
        self.beat_loop()
        self.introduce(owner)

    def introduce(self, owner: Owner) -> None:
        """Say whose it is, as far as that is known by now."""
        self._write_record(WHO_AT, _json(owner))
        self._write(0, MARK)

    def beat_loop(self) -> None:
        """The event loop runs."""
        _ONE.pack_into(self._map, _LOOP_BEAT_AT, time.monotonic_ns())

    def beat_watch(self) -> None:
        """The event loop is silent, the watching thread is not."""
        _ONE.pack_into(self._map, _WATCH_BEAT_AT, time.monotonic_ns())

    def measured(self, memory: int, oom_kills: int) -> None:
        """Resident memory (bytes) and the kernel's count of OOM kills."""
        _TWO.pack_into(self._map, _MEMORY_AT, memory, oom_kills)

    def enter(self, state: State) -> None:
        """The process has come so far."""
        if self.state is not state:
            self.state = state
            _TWO.pack_into(self._map, _STATE_AT, state, time.monotonic_ns())

    def note(self, stall: StallNote) -> None:
        """What blocks the loop now, or did last."""
        room = SIZE - STALL_AT - RECORD.size
        body = _json(stall)
        self._write_record(STALL_AT, body if len(body) <= room else _json(_shortened(stall)))

    def label(self, place: int, task: int, name: str) -> None:
        """What will have begun when `began` of that place says so."""
        text = name.encode(errors="replace")
        LABEL.pack_into(self._map, LABELS_AT + place * LABEL.size, task, text)

    def close(self) -> None:
        """Say good-bye: nobody shall wonder how this process ended."""
        self._remove()
        self.let_go()

    def let_go(self) -> None:
        """Close the files, also in a forked process: nothing may be written from then on."""
        self.crash_file.close()
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _remove(self) -> None:
        made = [self.path] if self._descriptor >= 0 else []
        for file in (*made, self.path.with_suffix(".crash")):
            with suppress(OSError):
                file.unlink()

    def _write_record(self, at: int, body: bytes) -> None:
        self._write(at, RECORD.pack(zlib.crc32(body), len(body)) + body)

    def _write(self, at: int, data: bytes) -> None:
        self._map[at : at + len(data)] = data


def _json(record: Owner | StallNote) -> bytes:
    """Whatever is in it: a file name need not be proper text."""
    return json.dumps(asdict(record), ensure_ascii=False).encode(errors="replace")


def _shortened(stall: StallNote) -> StallNote:
    flight = stall.flight and replace(stall.flight, name=stall.flight.name[:SHORT_NAME])
    culprit, call = stall.culprit[:SHORT_NAME], stall.call[:SHORT_NAME]
    return replace(stall, culprit=culprit, call=call, stack=stall.stack[-SHORT_STACK:], flight=flight)


def _made(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _mapped(descriptor: int) -> mmap.mmap:
    """The file with its space and its lock. The descriptor has to stay open: to close it drops the lock."""
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _reserve(descriptor, SIZE)
    return mmap.mmap(descriptor, SIZE)


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)
