"""The black box that this process keeps: made when there is room for it, filled, closed when the process leaves."""

from __future__ import annotations

import atexit
import faulthandler
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

from outlast.events import deaths
from outlast.system.memory import OwnMemory
from outlast.system.threads import OwnThread, started
from outlast.watch.black_box import BlackBox
from outlast.watch.flights import Flights
from outlast.watch.layout import POKE, LifeState, Owner, StallNote

MEASURE_EVERY = 4  # beats
LOOK_AGAIN = 5.0  # seconds until a box is tried again for which there was no room


class KeptBox:
    """One per watch. `flights` are written to it. Without a box, all of this does nothing."""

    def __init__(self, flights: Flights) -> None:
        self.state = LifeState.STARTING
        self._flights = flights
        self._box: BlackBox | None = None
        self._beats = 0
        self._memory: OwnMemory | None = None
        self._leaving: Leaving | None = None
        self._stacks = CrashStacks()
        self._is_closed = threading.Event()
        self._placing = threading.Lock()
        self._placer: OwnThread | None = None

    @property
    def path(self) -> Path | None:
        """Where it is; None without one."""
        return self._box.path if self._box is not None else None

    def keep(self, path: Path, owner: Owner) -> None:
        """From now on there is one. Without room for it the process runs all the same, says so, looks again."""
        try:
            self._place(path, owner)
        except OSError as error:
            deaths.NoBox(str(error)).tell()
            self._placer = OwnThread("outlast-box", lambda: self._place_later(path, owner))
            started(self._placer)

    def enter(self, state: LifeState) -> None:
        """The process has come so far."""
        self.state = state
        if self._box is not None:
            self._box.enter(state)

    @property
    def content(self) -> bytes:
        """What is in it; empty without one."""
        box = self._box
        return box.content if box is not None else b""

    def beat(self, lag: float, is_stopping: Callable[[], bool]) -> None:
        """The loop runs, so many seconds later than it should; during its start that keeps nobody waiting."""
        if self._box is None:
            if self._placer is not None and not self._placer.is_alive:  # no thread could be started for it
                started(self._placer)
            return
        self._see(is_blocked=False)
        self._box.beat_loop(0.0 if self.state is LifeState.STARTING else lag)
        self._beats += 1
        if self._beats % MEASURE_EVERY == 0:
            if self._memory is not None:
                self._box.measured(*self._memory.read())
            if is_stopping():
                self._box.enter(LifeState.STOPPING)

    def beat_watch(self) -> None:
        """The loop is silent, the watching thread is not."""
        self._see(is_blocked=True)
        box = self._box
        if box is not None:
            box.beat_watch()

    def note(self, stall: StallNote) -> None:
        """What blocks the loop now, or did last."""
        box = self._box
        if box is not None:
            box.note(stall)

    def close(self) -> None:
        """A good-bye: the process ends in order. From any thread."""
        with self._placing:
            self._is_closed.set()
            box = self._taken()
            leaving, self._leaving = self._leaving, None
        if leaving is not None:
            leaving.cancel()
        if box is not None:
            box.close()

    def let_go(self) -> None:
        """In a forked process: the box is the parent's."""
        self._placing, self._is_closed = threading.Lock(), threading.Event()
        box = self._taken()
        if box is not None:
            box.let_go()

    def _see(self, *, is_blocked: bool) -> None:
        """What a crash writes depends on it. The good-bye may come from a third thread."""
        if self._stacks.is_of_all is is_blocked:
            with self._placing:
                if self._box is not None:
                    self._stacks.write(of_all=not is_blocked)

    def _taken(self) -> BlackBox | None:
        """Nothing is written to it from now on."""
        box, self._box = self._box, None
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.close()
        self._flights.write_to(None)
        self._stacks.end()
        return box

    def _place(self, path: Path, owner: Owner) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        box = BlackBox(path, owner)
        with self._placing:
            if self._is_closed.is_set() or owner.pid != os.getpid():
                box.close()
                return
            box.enter(self.state)
            self._box = box
            box.introduce(replace(owner, poke=self._stacks.begin(box.crash_file)))
            self._flights.write_to(box)
            self._memory = OwnMemory()
            self._leaving = Leaving(self._leave)

    def _place_later(self, path: Path, owner: Owner) -> None:
        while not self._is_closed.wait(LOOK_AGAIN):
            try:
                self._place(path, owner)
            except OSError:  # that there is no room has been said
                continue
            deaths.BoxAfterAll(path).tell()
            return

    def _leave(self) -> None:
        """The interpreter ends in order, though nobody has said good-bye: nothing to wonder about, but at start-up."""
        with self._placing:
            if self._box is not None and self._box.state is not LifeState.STARTING:
                self._stacks.end()
                self._box.close()


class CrashStacks:
    """Those that C writes into a file when this process breaks, or is asked by a signal: it has one faulthandler.

    It walks the frames of all threads, and where others run meanwhile, that itself breaks the process: with another
    signal, and before the stack of the thread that was hit is written. So while the event loop is blocked and others
    run, which is when a server loses its patience, only the thread that is hit is written. If one holds the
    interpreter's lock, nobody runs, and it may be any.
    """

    def __init__(self) -> None:
        self.is_of_all = True
        self._is_asked = False  # by the signal
        self._lent: Callable[[], Lent | None] = lambda: None

    def begin(self, file: IO[bytes]) -> int:
        """Have them written to `file`; returns the signal that asks for them, 0 for none."""
        if faulthandler.is_enabled():  # somebody else wants it elsewhere
            return 0
        self._lend(Lent(file), of_all=True)
        if not POKE or signal.getsignal(POKE) != signal.SIG_DFL:  # somebody else uses it
            return 0
        faulthandler.register(POKE, file)
        self._is_asked = True
        return int(POKE)

    def write(self, *, of_all: bool) -> None:
        """The stacks of all threads from now on, or only of the one that is hit."""
        if (lent := self._lent()) is not None:
            self._lend(Lent(lent.file), of_all=of_all)
        self.is_of_all = of_all

    def end(self) -> None:
        """No more, if they were written at all."""
        if self._lent() is not None:
            faulthandler.disable()
        if self._is_asked:
            faulthandler.unregister(POKE)

    def _lend(self, lent: Lent, *, of_all: bool) -> None:
        self._lent = weakref.ref(lent)
        faulthandler.enable(lent, all_threads=of_all)


class Lent:
    """A file that faulthandler alone holds: it is gone when somebody else has enabled it for another one."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def fileno(self) -> int:
        """Asked once, when it is enabled."""
        return self.file.fileno()

    def flush(self) -> None:
        """Asked before it is enabled; the file has no buffer."""
        self.file.flush()


class Leaving:
    """Calls `call` when the interpreter ends, or when a process of multiprocessing's does, which passes atexit over."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        atexit.register(call)
        util = sys.modules.get("multiprocessing.util")
        self._finalizer = util.Finalize(None, call, exitpriority=0) if util is not None else None

    def cancel(self) -> None:
        """Do not call it any more."""
        atexit.unregister(self._call)
        if self._finalizer is not None:
            self._finalizer.cancel()
