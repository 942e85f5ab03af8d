"""A web worker among the processes of a journal: its id (row), and the lock that shows it alive."""

from __future__ import annotations

import os
import time

from outlast.events.hindrances import Doubt
from outlast.journal.contract import Journal, ProcessEntry
from outlast.journal.location import doubts_about, reached
from outlast.system.forks import OfOneProcess
from outlast.system.liveness import Liveness, liveness_here, living_runner
from outlast.system.machine import HOST
from outlast.system.place import Place
from outlast.system.process import this
from outlast.tasks.callbacks import wanted_states
from outlast.tasks.ids import TaskIds


class Membership(OfOneProcess):
    """`process` is the id, 0 as long as the journal has not given one. `ids` makes those of its tasks."""

    def __init__(self, place: Place, ids: TaskIds) -> None:
        self.ids = ids
        self.process = 0
        self.liveness: Liveness | None = None
        self._place = place
        this.forks.tell(self)

    def after_fork_in_child(self) -> None:
        """A forked process is another one, and its locks are its own."""
        self.liveness = None
        self.process = 0

    def enter(self, journal: Journal, known: int) -> int:
        """In the writer's first transaction: this process gets its id, and the lock that shows it alive.

        Again, with the id that is known, when another journal has come to the path. A task process has its own.
        """
        if this.role.is_child:
            self.ids.belong_to(this.role.child_id)
            return this.role.child_id
        for doubt in doubts_about(self._place.journal):
            Doubt(doubt).tell()
        self.ids.rise_above(journal.tasks.newest())
        if wanted := wanted_states():
            journal.ends.listen(wanted)
        self.process = journal.processes.enter(ProcessEntry("web", os.getpid(), HOST, time.time()), known)
        with reached(self._place.journal):
            self.liveness = liveness_here(self._place)
            self.liveness.hold(self.process)
        self.ids.belong_to(self.process)
        return self.process

    def unfinished_in(self, journal: Journal) -> int:
        """How many tasks wait there. Those that this process makes come after them."""
        self.ids.rise_above(journal.tasks.newest())
        return journal.tasks.unfinished()

    def has_runner(self) -> bool:
        """Whether a runner looks after the journal's tasks now."""
        return living_runner(self._place) is not None

    def leave(self) -> None:
        """Let the locks go."""
        self.liveness = None
