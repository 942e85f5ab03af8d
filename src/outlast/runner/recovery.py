"""What a runner finds when it starts: the last runner's task processes, and its unsettled attempts."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace

from outlast.errors import JournalUnusable
from outlast.events import hindrances, processes
from outlast.journal.contract import Journal
from outlast.journal.location import reached
from outlast.journal.turn import Gone
from outlast.runner.ledger import Ledger
from outlast.runner.presence import Presence
from outlast.runner.reaping import kill_group
from outlast.system.liveness import Liveness
from outlast.system.place import DEFAULT_JOURNAL, Place
from outlast.tasks.outcome import Unbegun, WentDown
from outlast.tasks.task import Claimed
from outlast.watch.incident import Cause, Flight, Incident, IncidentKind
from outlast.watch.recovered import of_the_dead

CHILD_PREFIX = "child-"
ENDING_TIME = 5.0  # seconds for killed processes to be gone


class Recovery:
    """Takes the place of the last runner, in steps that can be repeated. They raise StoreFailed or JournalUnusable."""

    def __init__(self, journal: Journal, place: Place, liveness: Liveness, presence: Presence, ledger: Ledger) -> None:
        self._journal = journal
        self._place = place
        self._liveness = liveness
        self.presence = presence
        self._ledger = ledger

    def give_way(self) -> None:
        """Do not run beside a runner of the version before, which held its lock in the file of the default journal.

        Raises JournalUnusable while that one lives.
        """
        default = replace(self._place, name=DEFAULT_JOURNAL)
        if self._place == default or not default.locks.exists():
            return
        present = self._journal.processes.present("runner")
        with reached(self._place.journal), closing(Liveness(default)) as old:
            living = [pid for process, pid in present if old.holder(process) == pid]
        if living:
            raise JournalUnusable(hindrances.runner_of_before(living[0], self._place.journal))

    def end_children_of_the_last(self) -> None:
        """Kill the task processes of a dead runner that still live, so that nothing runs twice at the same time.

        Only one that is both what the journal knows and what the kernel says: another group of processes may have one
        of the two numbers. Their black boxes are thrown away.
        """
        present = self._journal.processes.present("child")
        for process, pid in present:
            if pid and self._liveness.holder(process) == pid:
                kill_group(pid)
        self._wait_until_gone([process for process, _ in present])
        for process, _ in present:
            self._ledger.add(Gone(process, "ended with its runner"))
        of_the_dead(self._place.state, self._place.prefix + CHILD_PREFIX)  # nobody has to wonder how they ended

    def _wait_until_gone(self, killed: Iterable[int]) -> None:
        deadline = time.monotonic() + ENDING_TIME
        for process in killed:
            while self._liveness.holder(process) and time.monotonic() < deadline:
                time.sleep(0.005)

    def take_over(self) -> None:
        """Hand back what the last runner had. Dead web workers are found in the first round, as later ones are."""
        last = [one for one in self._journal.processes.present("runner") if one[0] != self.presence.me]
        left = [(runner, pid, self._journal.attempts.running_of(runner)) for runner, pid in last]
        for runner, pid, attempts in left:
            self._ledger.add(Gone(runner, "died"))
            self._hand_back(attempts, pid)
        processes.RunnerStarted(os.getpid(), self._place.journal).tell()

    def _hand_back(self, attempts: Sequence[Claimed], pid: int) -> None:
        why = processes.runner_died(pid)
        for one in attempts:
            self._ledger.settle(one, WentDown(why) if one.begun else Unbegun(why))
        if begun := [one for one in attempts if one.begun]:
            self._ledger.add_incidents([_incident(pid, begun)])
            processes.TasksHandedBack(len(begun)).tell()


def _incident(pid: int, attempts: Sequence[Claimed]) -> Incident:
    """How it died is not known: nobody was its parent, and it keeps no box."""
    sentence = f"{processes.runner_died(pid)}; {processes.TasksHandedBack(len(attempts))}"
    flights = tuple(Flight(one.function, 0.0, one.id, str(one.lane)) for one in attempts)
    return Incident(IncidentKind.DEATH, Cause.UNKNOWN, "runner", pid, time.time(), 0.0, "", sentence, flights=flights)
