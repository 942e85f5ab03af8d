"""Limit what one task may take. For a process with nothing else in it (lane `alone`).

The kernel's limit holds for the whole process: what fills it to the brim leaves nothing to the threads of ours, nor to
the interpreter, which breaks when it finds no room for a frame (seen). So a thread looks how full it is, and lets the
process have a reserve beyond it when next to nothing is left. The task hears of its limit from the kernel, in the very
line that asks for too much; if it then grows into the reserve, it is told by an exception from outside.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import threading
from dataclasses import dataclass, field
from types import TracebackType

from outlast.child.outbox import Outbox
from outlast.child.run import Assignment, Run
from outlast.events import endings
from outlast.tasks.outcome import Raised
from outlast.wire.interrupts import SIGNAL

RESERVE = 32 << 20  # bytes beyond the task's limit
FULL = 1 << 20  # bytes to the limit: as much as Python takes from the system at once
EVERY = 0.01  # seconds between two looks
PATIENCE = 20  # looks in which what grows has grown, also on a busy machine
HEARD = 3  # looks in which what is told is heard
STEP = 1 << 20  # bytes: each time that it has grown by so much more it is told again
MOST_TOLD = 16  # times; then it does not listen
_STATUS_SIZE = 8192


def limited(run: Run, outbox: Outbox) -> LimitedMemory | None:
    """The block round an attempt, entered where that runs; None where it has no limit."""
    given = run.given
    if given.memory is None:
        return None
    return LimitedMemory(given.memory, (InThread if run.is_for_thread else OnLoop)(given, outbox))


@dataclass(frozen=True, slots=True)
class OnLoop:
    """How a coroutine hears that it has taken too much memory."""

    given: Assignment
    outbox: Outbox

    def tell(self) -> None:
        """Interrupt it: a MemoryError is raised once its own code runs."""
        self.given.attempt.over_limit = True
        signal.pthread_kill(threading.main_thread().ident or 0, SIGNAL)

    def forget(self) -> None:
        """It has ended."""
        self.given.attempt.over_limit = False

    def give_up(self) -> None:
        """It does not listen: end its process, in which nothing else is."""
        too_much = Raised(endings.ignores_memory_error(self.given.memory or 0), "")
        self.outbox.report(self.given.attempt.task_id, too_much)
        self.outbox.close()
        os._exit(0)


@dataclass(frozen=True, slots=True)
class InThread(OnLoop):
    """The same for a `def`. Made in its thread."""

    thread: int = field(default_factory=threading.get_ident)

    def tell(self) -> None:
        """Raise it wherever it is."""
        _raise_in_thread(self.thread, MemoryError)

    def forget(self) -> None:
        """Take back what has not been raised."""
        _raise_in_thread(self.thread, None)


class Fill:
    """How full a process is, by what is seen of its size. Pure.

    needs_reserve: it is full, and has not grown for a while: the kernel has told the task, which goes on. has_grown:
    it has grown beyond its limit, or that much since it was last said to have.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bound = limit + STEP
        self._size = self._still = 0
        self.needs_reserve = self.has_grown = False

    def look(self, size: int) -> None:
        """It has this size now."""
        is_full = size > self._limit - FULL
        self._still = self._still + 1 if is_full and size == self._size else 0
        self.needs_reserve = is_full and (self.needs_reserve or self._still >= PATIENCE)
        self.has_grown = size > self._bound
        if self.has_grown:
            self._bound = size + STEP
        self._size = size


class LimitedMemory:
    """A block with `most` bytes more than this process has at its begin.

    RLIMIT_DATA counts private writable memory (Linux 4.7 and newer, getrlimit(2)), not files that are mapped.
    """

    def __init__(self, most: int, task: OnLoop) -> None:
        self._most = most
        self._task = task
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._before = resource.getrlimit(resource.RLIMIT_DATA)

    def __enter__(self) -> None:
        begin = threading.Event()
        threading.Thread(target=self._watch, args=(begin,), name="outlast-memory", daemon=True).start()
        self._limit = _private_bytes() + self._most  # with the thread's own stack, which counts
        self._allow(self._limit)
        begin.set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        resource.setrlimit(resource.RLIMIT_DATA, self._before)  # first of all, and it needs no memory
        with self._lock:
            self._is_over.set()
            self._task.forget()
        resource.setrlimit(resource.RLIMIT_DATA, self._before)  # the watching thread may have been in between

    def _watch(self, begin: threading.Event) -> None:
        begin.wait()
        fill, told, quiet = Fill(self._limit), 0, 0  # quiet: looks until it is told again
        while not self._is_over.wait(EVERY):
            fill.look(_private_bytes())
            quiet = max(0, quiet - 1)
            with self._lock:
                if self._is_over.is_set():
                    return
                self._allow(self._limit + RESERVE if fill.needs_reserve else self._limit)
                if fill.has_grown and not quiet:
                    told, quiet = told + 1, HEARD
                    self._task.give_up() if told > MOST_TOLD else self._task.tell()

    def _allow(self, size: int) -> None:
        hard = self._before[1]
        resource.setrlimit(resource.RLIMIT_DATA, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard))


def _raise_in_thread(thread: int, kind: type[BaseException] | None) -> None:
    """Have an exception raised in a thread when it runs Python next; None takes back what has not been raised yet.

    PyThreadState_SetAsyncExc, which is documented for this use.
    """
    what = ctypes.py_object(kind) if kind is not None else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)


def _private_bytes() -> int:
    """What counts against the limit now; 0 where the kernel does not tell."""
    try:
        descriptor = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        _, _, after = os.read(descriptor, _STATUS_SIZE).partition(b"VmData:")
    finally:
        os.close(descriptor)
    return int(after.split(None, 1)[0]) * 1024 if after else 0
