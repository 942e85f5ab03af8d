"""What a black box holds, and where: its bytes are read by whoever comes after its owner."""

from __future__ import annotations

import signal
import struct
from dataclasses import dataclass, field
from enum import IntEnum

from outlast.watch.incident import Cause, Flight

PLACES = 64
SIZE = 32_768
MARK = b"outlast1"
WHO_AT, VITALS_AT, FLIGHTS_AT, STALL_AT = 8, 1024, 2048, 14_336
SHORT_STACK, SHORT_NAME = 2_000, 200  # characters that fit whatever they are
POKE = signal.SIGRTMIN + 9 if hasattr(signal, "SIGRTMIN") else 0
CRASH_ROOM = 65_536  # bytes reserved for what faulthandler writes
RECORD = struct.Struct("<II")  # checksum, length
VITALS = struct.Struct("<qqqqqqqq")
BEGAN = struct.Struct(f"={PLACES}d")  # monotonic seconds
LABEL = struct.Struct("<q176s")  # task, name and zeros
LABELS_AT = FLIGHTS_AT + BEGAN.size


class LifeState(IntEnum):
    """How far the life of a process has come. Numbers are in files: never renumber."""

    STARTING = 0
    SERVING = 1
    STOPPING = 2
    RESTING = 3  # it has nothing to do, so its loop does not beat
    CUT_OFF = 4  # it ends itself, since the runner tells it nothing more and hears nothing
    LOOP_BROKE = 5  # it ends itself, since its event loop cannot go on


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
    writes its stack, 0 for none. oom_kills: the kernel's count when it began, oom_file: where that counts.
    """

    kind: str
    pid: int
    started_at: float
    machine: str
    boot: str
    process: int = 0
    poke: int = 0
    oom_kills: int = 0
    oom_file: str = ""
    server: Server = field(default_factory=Server)


@dataclass(frozen=True, slots=True)
class Vitals:
    """The signs of life, monotonic seconds, and resident memory in bytes. `oom_kills`: the kernel's count by then.

    lag, worst_lag: by how many seconds the last beat came too late, and any since the start was over, at most.
    """

    loop_beat: float
    watch_beat: float
    state: LifeState
    state_since: float
    memory: int
    oom_kills: int
    lag: float = 0.0
    worst_lag: float = 0.0


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
