"""How much of the processor a thread had, and how long it stood in line for it."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds since the thread began: `ran` on a processor, `waited` for one although it could have run.

    process: seconds that all threads of the process have run.
    """

    ran: float
    waited: float
    process: float

    def since(self, before: Reading) -> Reading:
        """What has been added."""
        return Reading(self.ran - before.ran, self.waited - before.waited, self.process - before.process)


class ThreadMeter:
    """Reads what the scheduler counts for one thread (proc_pid_schedstat). From any thread, in some microseconds.

    Where the kernel does not count, nothing is ever waited for.
    """

    def __init__(self, native_id: int) -> None:
        self._descriptor = _open(native_id)

    def read(self) -> Reading:
        """The counts of now."""
        ran, waited = self._counts()
        return Reading(ran, waited, time.process_time())

    def close(self) -> None:
        """Give back the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _counts(self) -> tuple[float, float]:
        if self._descriptor is None:
            return 0.0, 0.0
        try:
            ran, waited, _ = os.pread(self._descriptor, 96, 0).split()
        except (OSError, ValueError):  # the thread has ended
            return 0.0, 0.0
        return int(ran) / 1e9, int(waited) / 1e9


def _open(native_id: int) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        return os.open(f"/proc/self/task/{native_id}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
