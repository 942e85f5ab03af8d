"""How far attempts have come, and what they print, on the way to the runner: a few messages a second in all."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from outlast.functions.checkpoints import encoded
from outlast.tasks.attempt import Attempt, Keeper
from outlast.tasks.progress import Progress
from outlast.wire.frames import PIECE, Message

PERIOD = 0.25  # seconds between two messages, at least


@dataclass(slots=True)
class _Milestone:
    """What an attempt has said since the runner has heard of it. checkpoint: as JSON."""

    progress: Progress | None = None
    checkpoint: str | None = None
    log: deque[str] = field(default_factory=deque)
    size: int = 0
    left_out: int = 0

    def add(self, text: str, most: int) -> None:
        """To its log, of which the end is kept."""
        self.log.append(text)
        self.size += len(text)
        while self.size > most and len(self.log) > 1:
            gone = self.log.popleft()
            self.size -= len(gone)
            self.left_out += len(gone.encode(errors="replace"))


Key = tuple[int, int]
"""The id of a task, and the number of an attempt at it."""


class Milestones(Keeper):
    """`wake()` is called when something has come and nothing waited. From any thread.

    max_log: bytes that are kept of what an attempt prints and logs.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self.max_log = 0
        self._lock = RLock()  # what the garbage collector calls may print, too
        self._newest: dict[Key, _Milestone] = {}
        self._taken_at = 0.0

    def progress(self, attempt: Attempt, progress: Progress) -> None:
        """See `Keeper`."""
        with self._lock:
            self._of(attempt).progress = progress

    def checkpoint(self, attempt: Attempt, value: Any) -> None:
        """See `Keeper`."""
        text = encoded(value)
        with self._lock:
            self._of(attempt).checkpoint = text

    def log(self, attempt: Attempt, text: str) -> None:
        """See `Keeper`."""
        if self.max_log:
            with self._lock:
                self._of(attempt).add(text[-self.max_log :], self.max_log)

    @property
    def due_in(self) -> float | None:
        """Seconds until they may be taken; None where there are none."""
        return max(0.0, self._taken_at + PERIOD - time.monotonic()) if self._newest else None

    def take(self) -> list[Message]:
        """What there is, in messages of reasonable size."""
        with self._lock:
            taken, self._newest = self._newest, {}
        self._taken_at = time.monotonic()
        return list(_messages(taken, self.max_log))

    def take_of(self, task_id: int) -> list[Message]:
        """What there is of a task whose attempt ends."""
        if not self._newest:
            return []
        with self._lock:
            keys = [key for key in self._newest if key[0] == task_id]
            return list(_messages({key: self._newest.pop(key) for key in keys}, self.max_log))

    def _of(self, attempt: Attempt) -> _Milestone:
        is_first = not self._newest
        one = self._newest.setdefault((attempt.task_id, attempt.number), _Milestone())
        if is_first:  # and it is there by now: whoever is woken looks without the lock
            self._wake()
        return one


def _messages(taken: Mapping[Key, _Milestone], max_log: int) -> Iterator[Message]:
    part: list[list[Any]] = []
    size = 0
    for (task, number), one in taken.items():
        log = ["".join(one.log), one.left_out, max_log] if one.log else []
        part.append([task, number, one.progress and one.progress.text(), one.checkpoint, *log])
        size += len(one.checkpoint or "") + one.size
        if size > PIECE:
            yield {"type": "reached", "tasks": part}
            part, size = [], 0
    if part:
        yield {"type": "reached", "tasks": part}
