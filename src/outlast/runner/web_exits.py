"""How web workers end: they are not the runner's children, but the kernel tells whoever holds a pidfd of them."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Collection
from dataclasses import dataclass

from outlast.system.exits import exit_status, watch_exit

MEMORY = 5.0  # seconds for which the end of a web worker is remembered that has left no box


@dataclass(slots=True)
class Known:
    """A web worker that was met; `descriptor` is its pidfd. `gone_at`: when it was seen dead, monotonic."""

    descriptor: int
    gone_at: float | None = None


class WebExits:
    """Of those that were met."""

    def __init__(self) -> None:
        self._known: dict[int, Known] = {}

    @property
    def pids(self) -> Collection[int]:
        """Their process ids."""
        return self._known.keys()

    def expect(self, pid: int, now: float) -> None:
        """One was met: its end shall not go unseen."""
        self.forget_gone(now)
        if pid and pid not in self._known and (descriptor := watch_exit(pid)) is not None:
            self._known[pid] = Known(descriptor)

    def has_ended(self, pid: int) -> bool:
        """Whether one that was met is dead."""
        return _has_ended(self._known[pid].descriptor)

    def status_of(self, pid: int) -> int | None:
        """The exit status of one that is dead, negative for a signal; None if nobody tells."""
        known = self._known.get(pid)
        return exit_status(pid, known.descriptor) if known is not None else None

    def send(self, pid: int, number: int) -> bool:
        """Send a signal to one that lives; False if there is none."""
        known = self._known.get(pid)
        if known is None:
            return False
        try:
            signal.pidfd_send_signal(known.descriptor, number)
        except OSError:  # it has just ended
            return False
        return True

    def forget_gone(self, now: float) -> None:
        """Those that have been dead for a while."""
        for pid, known in list(self._known.items()):
            if known.gone_at is None and _has_ended(known.descriptor):
                known.gone_at = now
            if known.gone_at is not None and now - known.gone_at > MEMORY:
                os.close(known.descriptor)
                del self._known[pid]

    def close(self) -> None:
        """Give back what is held."""
        for one in self._known.values():
            os.close(one.descriptor)
        self._known.clear()


def _has_ended(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
