"""How much of the processor a thread had, and how long it stood in line for it."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds that a thread `ran` on a processor and `waited` for one although it could have run.

    process: seconds that all threads of the process have run.
    """

    ran: float
    waited: float
    cpu: float


@dataclass(slots=True)
class CpuReading:
    """What the kernel has counted, as it writes it: taken at each beat, and understood only when something is wrong."""

    counts: bytes
    cpu: float

    def since(self, before: CpuReading) -> Spent:
        """What has been added."""
        (ran, waited), (ran_before, waited_before) = _seconds(self.counts), _seconds(before.counts)
        return Spent(ran - ran_before, waited - waited_before, self.cpu - before.cpu)


class ThreadMeter:
    """Reads what the scheduler counts for one thread (/proc/PID/task/TID/schedstat). From any thread, in microseconds.

    Where the kernel does not count, nothing is ever waited for.
    """

    def __init__(self, native_id: int) -> None:
        self._descriptor = _open(native_id)

    def read(self) -> CpuReading:
        """The counts of now."""
        return CpuReading(self._counts(), time.process_time())

    def close(self) -> None:
        """Give back the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _counts(self) -> bytes:
        try:
            return os.pread(self._descriptor, 96, 0) if self._descriptor is not None else b""
        except OSError:  # the thread has ended
            return b""


def times_of(pid: int) -> tuple[float, float]:
    """Seconds that a process's main thread has run, and waited to (proc_pid_schedstat); 0 if nobody counts."""
    try:
        return _seconds(Path(f"/proc/{pid}/schedstat").read_bytes())
    except OSError:
        return 0.0, 0.0


def _seconds(counts: bytes) -> tuple[float, float]:
    """On a processor, and in line for one."""
    try:
        ran, waited, _ = counts.split()
    except ValueError:  # the kernel has not counted
        return 0.0, 0.0
    return int(ran) / 1e9, int(waited) / 1e9


def _open(native_id: int) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        return os.open(f"/proc/self/task/{native_id}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
