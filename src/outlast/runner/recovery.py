"""What a runner finds when it starts: the last runner's children, its unsettled attempts, the tasks of dead webs."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace

from outlast import endings, events, hindrances
from outlast.engines.contract import Drop, Journal, ProcessEntry
from outlast.engines.opening import reached
from outlast.errors import JournalUnusable
from outlast.incidents import Cause, Flight, Incident, Kind
from outlast.liveness import Liveness
from outlast.logs.ends import fields, tell_end
from outlast.outcome import Cut, Unbegun, WentDown, inline_cut, outcome
from outlast.place import DEFAULT_JOURNAL, Place
from outlast.runner import ends
from outlast.runner.children import kill_group
from outlast.tasks import Claimed, Lane, State
from outlast.watch.remains import of_the_dead

MACHINE = socket.gethostname()
CHILD_PREFIX = "child-"
ENDING_TIME = 5.0  # seconds for killed processes to be gone


def give_way(journal: Journal, place: Place) -> None:
    """Do not run beside a runner of the version before, which held its lock in the file of the default journal.

    Raises JournalUnusable while that one lives.
    """
    default = replace(place, name=DEFAULT_JOURNAL)
    if place == default or not default.locks.exists():
        return
    with journal.transaction():
        present = journal.present("runner")
    with reached(place.journal), closing(Liveness(default)) as old:
        living = [pid for process, pid in present if old.holder(process) == pid]
    if living:
        raise JournalUnusable(hindrances.runner_of_before(living[0], place.journal))


def end_children_of_the_last(journal: Journal, liveness: Liveness, place: Place) -> None:
    """Kill the task processes of a dead runner that still live, so that nothing runs twice at the same time.

    Only one that is both what the journal knows and what the kernel says: another group of processes may have one of
    the two numbers. Their black boxes are thrown away.
    """
    with journal.transaction():
        present = journal.present("child")
    for process, pid in present:
        if pid and liveness.holder(process) == pid:
            kill_group(pid)
    _wait_until_gone([process for process, _ in present], liveness)
    with journal.transaction():
        for process, _ in present:
            journal.leave(process, "ended with its runner", time.time())
    of_the_dead(place.folder, place.prefix + CHILD_PREFIX)  # nobody has to wonder how they ended


def take_over(journal: Journal, liveness: Liveness, me: int) -> int:
    """Hand back what the last runner had, release what dead web workers held; returns how many were handed back."""
    count = 0
    with journal.transaction():
        for runner, pid in journal.present("runner"):
            if runner != me:
                count += _hand_back(journal, runner, pid)
        for web, pid in journal.present("web"):
            if liveness.holder(web) is None:
                bury_web(journal, web, pid)
    return count


def introduce(journal: Journal, me: int, children: Iterable[tuple[int, int]], attempts: Iterable[Claimed]) -> int:
    """Tell a journal that has come to the path who is there, `children` as (id, pid), and what has not been settled.

    Returns how many of `attempts` it did not know. In a transaction.
    """
    now = time.time()
    journal.enter(ProcessEntry("runner", os.getpid(), MACHINE, now), me)
    for process, pid in children:
        journal.enter(ProcessEntry("child", pid, MACHINE, now), process)
    return journal.adopt(attempts, me, now)


def bury_web(journal: Journal, web: int, pid: int) -> None:
    """A web worker is dead: its answered requests' tasks run, what ran inside of it is over. In a transaction."""
    now = time.time()
    held = journal.held_of(web)
    journal.release([task for task, lane, _ in held if lane is not Lane.INLINE], now)
    never_ran = endings.inline_never_ran(pid)
    for task, lane, function in held:
        if lane is Lane.INLINE and journal.drop([Drop(task, never_ran)], now):
            tell_end(State.DROPPED, never_ran, fields(task, function, 0, lane))
    for attempt in journal.running_of(web):
        settlement = inline_cut(attempt, pid)
        journal.settle([settlement], now)
        ends.tell(attempt, settlement, Cut(settlement.reason))
    journal.leave(web, "gone", now)


def _hand_back(journal: Journal, runner: int, pid: int) -> int:
    now = time.time()
    why = events.runner_died(pid)
    attempts = journal.running_of(runner)
    for attempt in attempts:
        happening = WentDown(why) if attempt.begun else Unbegun(why)
        settlement = outcome(happening, attempt, max_crashes=1)
        journal.settle([settlement], now)
        ends.tell(attempt, settlement, happening)
    begun = [one for one in attempts if one.begun]
    if begun:
        journal.note([_incident(pid, begun, now)], now)
    journal.leave(runner, "died", now)
    return len(begun)


def _incident(pid: int, attempts: Sequence[Claimed], now: float) -> Incident:
    """How it died is not known: nobody was its parent, and it keeps no box."""
    sentence = f"{events.runner_died(pid)}; {events.handed_back(len(attempts))}"
    flights = tuple(Flight(one.function, 0.0, one.id, str(one.lane)) for one in attempts)
    return Incident(Kind.DEATH, Cause.UNKNOWN, "runner", pid, now, 0.0, "", sentence, flights=flights)


def _wait_until_gone(processes: Iterable[int], liveness: Liveness) -> None:
    deadline = time.monotonic() + ENDING_TIME
    for process in processes:
        while liveness.holder(process) and time.monotonic() < deadline:
            time.sleep(0.005)
