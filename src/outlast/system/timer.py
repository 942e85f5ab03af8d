"""A dead man's timer: it runs out unless it is wound again in time. Whoever waits for that costs nothing meanwhile."""

from __future__ import annotations

import ctypes
import os
import sys
import time

_CLOCK_MONOTONIC = 1
_CLOSE_ON_EXEC = 0o2000000


class KernelTimer:
    """A timerfd: who waits is parked in read(2) without the interpreter's lock (Linux). From any thread."""

    def __init__(self) -> None:
        self._descriptor = _create()

    def wind(self, seconds: float) -> None:
        """Start anew: one system call."""
        _set(self._descriptor, max(seconds, 1e-6))

    def stop(self) -> None:
        """Disarm it."""
        _set(self._descriptor, 0.0)

    def wait(self) -> None:
        """Until it has run out."""
        os.read(self._descriptor, 8)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


class SleepingTimer:
    """The same with a thread that sleeps until the moment it was last wound for."""

    def __init__(self) -> None:
        self._over_at = float("inf")

    def wind(self, seconds: float) -> None:
        """Start anew. One that is wound for an earlier moment is noticed after a quarter of a second."""
        self._over_at = time.monotonic() + seconds

    def stop(self) -> None:
        """Sleep on."""
        self._over_at = float("inf")

    def wait(self) -> None:
        """Until it has run out."""
        while (left := self._over_at - time.monotonic()) > 0:
            time.sleep(min(left, 0.25))
        self._over_at = float("inf")

    def close(self) -> None:
        """Nothing to give back."""


def new_timer() -> KernelTimer | SleepingTimer:
    """The best one that this system has; it runs only once it has been wound."""
    try:
        return KernelTimer() if sys.platform == "linux" else SleepingTimer()
    except OSError:  # no descriptor is left
        return SleepingTimer()


if sys.version_info >= (3, 13) and sys.platform == "linux":

    def _create() -> int:
        return os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_CLOEXEC)

    def _set(descriptor: int, seconds: float) -> None:
        os.timerfd_settime(descriptor, initial=seconds)

else:

    class _Spec(ctypes.Structure):
        _fields_ = (
            ("interval_seconds", ctypes.c_long),
            ("interval_nanoseconds", ctypes.c_long),
            ("seconds", ctypes.c_long),
            ("nanoseconds", ctypes.c_long),
        )

    _LIBC = ctypes.CDLL(None, use_errno=True)
    _SPECS: dict[float, object] = {}  # to make one each time would cost more than the call

    def _create() -> int:
        descriptor: int = _LIBC.timerfd_create(_CLOCK_MONOTONIC, _CLOSE_ON_EXEC)
        if descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        return descriptor

    def _set(descriptor: int, seconds: float) -> None:
        spec = _SPECS.get(seconds)
        if spec is None:
            spec = _SPECS[seconds] = ctypes.byref(_Spec(0, 0, int(seconds), int(seconds % 1 * 1e9)))
        _LIBC.timerfd_settime(descriptor, 0, spec, None)
