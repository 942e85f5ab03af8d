"""What comes in from many threads and is dealt with by one, whichever of them closes, forks or fails meanwhile.

What has come in stays here until it has been dealt with, so that an error in the one thread loses nothing.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from outlast.system.threads import OwnThread, started

T = TypeVar("T")
RETRY_AFTER = 0.5  # seconds between tries to deal with what had to be kept


class Intake(Generic[T]):
    """Started by what is put in, ended by `close`, started again by what is put in then.

    `deal_with` gets all that waits and returns what has to be tried again. `finish` is called in the thread when it
    ends. No two threads are ever in one of these.
    """

    def __init__(self, name: str, deal_with: Callable[[list[T]], Sequence[T]], finish: Callable[[], None]) -> None:
        self._name = name
        self._deal_with = deal_with
        self._finish = finish
        self._waiting: deque[T] = deque()
        self._kept: Sequence[T] = ()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._gate = threading.Lock()  # to start a thread
        self._in_use = threading.Lock()  # held by the thread as long as it may call `deal_with` and `finish`
        self._thread: OwnThread | None = None
        self._shall_end = self._is_closed = False
        self.refusal = ""  # why no thread could be started

    def put(self, item: T) -> None:
        """Have it dealt with. Without a thread, and where none can be started, it waits for the next try."""
        self._waiting.append(item)
        self._bell.put(None)
        thread = self._thread
        if thread is None or not thread.is_alive:
            self.open()

    def open(self) -> bool:
        """See to it that there is a thread; False when the system gives none, for the reason in `refusal`."""
        with self._gate:
            if self._thread is None or not self._thread.is_alive:
                thread = OwnThread(self._name, self._work)
                self._shall_end = self._is_closed  # who comes late is dealt with, and no thread stays for that
                self._thread = thread  # so that it finds itself there when it ends at once
                self.refusal = started(thread)
            return not self.refusal

    def close(self, patience: float) -> None:
        """Deal with what waits, then end the thread; at most `patience` seconds. Who comes late opens it again."""
        self._is_closed = True
        if (thread := self._thread) is not None:
            self._ask_to_end()
            thread.join(patience)

    def hold(self, patience: float) -> Callable[[], None]:
        """Like `close`, and none is started until the returned function is called."""
        self._gate.acquire()
        self._ask_to_end()
        is_idle = self._in_use.acquire(timeout=patience)

        def let_go() -> None:
            if is_idle:
                self._in_use.release()
            else:
                self._shall_end = False
            self._gate.release()
            if self._waiting or self._kept:
                self.open()

        return let_go

    def _ask_to_end(self) -> None:
        self._shall_end = True
        self._bell.put(None)

    def _work(self) -> None:
        with self._in_use:
            self._turn()  # what waits from before
            while not self._shall_end:
                self._listen()
                self._turn()
            self._thread = None  # who puts something in from now on opens another one, which waits for this
            self._finish()
        if self._waiting:  # it came in when we were about to go
            self.open()

    def _listen(self) -> None:
        """Until something comes in, or is to be tried again."""
        try:
            self._bell.get(timeout=RETRY_AFTER if self._kept else None)
            while True:
                self._bell.get_nowait()
        except queue.Empty:
            return

    def _turn(self) -> None:
        new = len(self._waiting)
        batch = [*self._kept, *(self._waiting[number] for number in range(new))]
        if batch:
            self._kept = self._deal_with(batch)
        for _ in range(new):
            self._waiting.popleft()
