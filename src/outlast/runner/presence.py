"""What the journal knows of a runner and its task processes: that they have come, and that they have left."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Iterable

from outlast.errors import JournalBusy
from outlast.journal.contract import ProcessEntry
from outlast.journal.turn import Gone, Introduction, RunnersJournal, Turn
from outlast.system.liveness import Liveness
from outlast.system.machine import HOST
from outlast.tasks.task import Claimed


class Presence:
    """Of this process. `me`: its id (row), 0 until it has arrived. file: the store that knows it.

    All verbs raise StoreFailed or JournalUnusable.
    """

    def __init__(self, journal: RunnersJournal, liveness: Liveness) -> None:
        self.me = 0
        self.file: Hashable = None
        self._journal = journal
        self._liveness = liveness

    def arrive(self) -> None:
        """From now on tasks can be claimed."""
        self.me = self.enter("runner", os.getpid())
        self.is_known()
        self._liveness.hold(self.me)

    def enter(self, kind: str, pid: int) -> int:
        """The id of a process that has begun."""
        with self._journal.transaction():
            return self._journal.processes.enter(_entry(kind, pid))

    @property
    def is_unknown(self) -> bool:
        """Whether another journal has come to the path: it may know neither us nor what we have in hand."""
        return self._journal.file != self.file

    def introduction(self, children: Iterable[tuple[int, int]], attempts: Iterable[Claimed]) -> Introduction:
        """For such a journal: who is there, `children` as (id, pid), and what has not been settled."""
        present = [(child, _entry("child", pid)) for child, pid in children]
        return Introduction([(self.me, _entry("runner", os.getpid())), *present], list(attempts))

    def is_known(self) -> None:
        """What was told is stored."""
        self.file = self._journal.file

    def leave(self) -> bool:
        """Nothing is left to do. False: somebody else is writing."""
        try:
            self._journal.turn(Turn(self.me, gone=[Gone(self.me, "left")]))
        except JournalBusy:
            return False
        return True


def _entry(kind: str, pid: int) -> ProcessEntry:
    return ProcessEntry(kind, pid, HOST, time.time())
