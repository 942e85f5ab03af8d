"""The black box: one small file a process, mapped into its memory, that can be read whatever ended the process.

What is written there needs no system call, so it is there after SIGKILL, though not after a power cut. Its space is
reserved when it is made: a disk that gets full later cannot hurt the process. The owner holds a POSIX lock on it, and
the kernel drops that lock at any death. Not flock, which forked children would keep (measured).

    0      mark, then who the owner is
    1024   beats, state, memory, lag
    2048   what is in flight: when each of 64 has begun, 0 for none, then its task and name
    14336  the last stall
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import struct
import time
import zlib
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from outlast.watch import layout
from outlast.watch.layout import LifeState, Owner, StallNote

_LOOP_BEAT_AT, _WATCH_BEAT_AT, _STATE_AT, _MEMORY_AT, _LAG_AT = (layout.VITALS_AT + at for at in (0, 8, 16, 32, 48))
_ONE, _TWO = struct.Struct("<q"), struct.Struct("<qq")


class BlackBox:
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
            _reserve(self.crash_file.fileno(), layout.CRASH_ROOM)
        except OSError:
            self._remove()
            self.let_go()
            raise
        self.began = memoryview(self._map)[layout.FLIGHTS_AT : layout.LABELS_AT].cast("d")
        self.state = LifeState.STARTING
        self._worst_lag = 0.0
        _TWO.pack_into(self._map, _STATE_AT, self.state, time.monotonic_ns())
        self.beat_loop()
        self.introduce(owner)

    def introduce(self, owner: Owner) -> None:
        """Say whose it is, as far as that is known by now."""
        body, room = _json(owner), layout.VITALS_AT - layout.WHO_AT - layout.RECORD.size
        self._write_record(layout.WHO_AT, body if len(body) <= room else _json(replace(owner, oom_file="")))
        self._write(0, layout.MARK)

    @property
    def content(self) -> bytes:
        """All that is in it. For this process, which must not open the file again: to close that drops its lock."""
        return self._map[:]

    def beat_loop(self, lag: float = 0.0) -> None:
        """The event loop runs, so many seconds later than it should."""
        _ONE.pack_into(self._map, _LOOP_BEAT_AT, time.monotonic_ns())
        self._worst_lag = max(self._worst_lag, lag)
        _TWO.pack_into(self._map, _LAG_AT, int(lag * 1e9), int(self._worst_lag * 1e9))

    def beat_watch(self) -> None:
        """The event loop is silent, the watching thread is not."""
        _ONE.pack_into(self._map, _WATCH_BEAT_AT, time.monotonic_ns())

    def measured(self, memory: int, oom_kills: int) -> None:
        """Resident memory (bytes) and the kernel's count of OOM kills."""
        _TWO.pack_into(self._map, _MEMORY_AT, memory, oom_kills)

    def enter(self, state: LifeState) -> None:
        """The process has come so far."""
        if self.state is not state:
            self.state = state
            _TWO.pack_into(self._map, _STATE_AT, state, time.monotonic_ns())

    def note(self, stall: StallNote) -> None:
        """What blocks the loop now, or did last."""
        room = layout.SIZE - layout.STALL_AT - layout.RECORD.size
        body = _json(stall)
        self._write_record(layout.STALL_AT, body if len(body) <= room else _json(_shortened(stall)))

    def label(self, place: int, task_id: int, name: str) -> None:
        """What will have begun when `began` of that place says so."""
        text = name.encode(errors="replace")
        layout.LABEL.pack_into(self._map, layout.LABELS_AT + place * layout.LABEL.size, task_id, text)

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
        self._write(at, layout.RECORD.pack(zlib.crc32(body), len(body)) + body)

    def _write(self, at: int, data: bytes) -> None:
        self._map[at : at + len(data)] = data


def _json(record: Owner | StallNote) -> bytes:
    """Whatever is in it: a file name need not be proper text."""
    return json.dumps(asdict(record), ensure_ascii=False).encode(errors="replace")


def _shortened(stall: StallNote) -> StallNote:
    flight = stall.flight and replace(stall.flight, name=stall.flight.name[: layout.SHORT_NAME])
    culprit, call = stall.culprit[: layout.SHORT_NAME], stall.call[: layout.SHORT_NAME]
    return replace(stall, culprit=culprit, call=call, stack=stall.stack[-layout.SHORT_STACK :], flight=flight)


def _made(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _mapped(descriptor: int) -> mmap.mmap:
    """The file with its space and its lock. The descriptor has to stay open: to close it drops the lock."""
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _reserve(descriptor, layout.SIZE)
    return mmap.mmap(descriptor, layout.SIZE)


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)
