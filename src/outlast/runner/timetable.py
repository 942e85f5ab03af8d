"""Which schedules there are, and which of them have their time: what comes of that goes into the ledger."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence

from outlast.events import schedules as events
from outlast.journal.contract import Journal
from outlast.journal.schedules import AHEAD, Adopted, Halted, ScheduleChange, Tick, Waiting
from outlast.runner.ledger import Ledger
from outlast.runner.pools import Pools
from outlast.system.deployment import Deployment, Home, newest_of
from outlast.tasks.ids import TaskIds
from outlast.tasks.schedules import LATE, Due, Schedule, due, first
from outlast.tasks.task import NewTask
from outlast.text import MOST_REASON, one_line

MOST_AT_ONCE = 200  # schedules in one transaction
LEAST_PAUSE = 0.02  # seconds between looks
PATIENCE = 1.0  # seconds
_UNREADABLE = (ValueError, OverflowError, OSError)  # the last two of a moment that no calendar has


class Timetable:
    """Of the apps that are served. What it keeps in memory saves it a look, and no more."""

    def __init__(self, journal: Journal, pools: Pools, ledger: Ledger) -> None:
        self._journal = journal
        self._pools = pools
        self._ledger = ledger
        self._ids = TaskIds()
        self._adopted: dict[Home, int] = {}
        self._next_look = math.inf

    def is_due(self, now: float) -> bool:
        """Whether a tick has its time."""
        return now >= self._next_look

    def await_tick(self, now: float) -> float:
        """Seconds until then."""
        return max(0.0, self._next_look - now)

    def look(self, now: float) -> None:
        """Outside of a transaction; raises StoreFailed or JournalUnusable."""
        if self._ledger.has_schedules:
            return  # what was found last is not written yet
        self._next_look = now + PATIENCE  # should the journal not answer
        if not self._journal.schedules.are_there():
            self._next_look = math.inf
            return
        alive = [pool.deployment for pool in self._pools.all if pool.is_alive]
        found = [*self._newly_declared(alive), *self._changes(alive)]
        for change in found:
            self._ledger.add(change)
        next_in = self._journal.schedules.next_in(_apps(alive)) if not found else 0.0
        self._next_look = math.inf if next_in is None else now + max(LEAST_PAUSE, next_in)

    def _newly_declared(self, alive: Sequence[Deployment]) -> Iterator[Adopted]:
        """What the newest code of each app says, as far as everybody has said which code it has."""
        said = {} if self._pools.others_may_come else self._declared()
        of_app = {
            one.home.app: [each for each in alive if each.is_same_app(one) and each.home in said] for one in alive
        }
        for newest in filter(None, map(newest_of, of_app.values())):
            revision = said[newest.home]
            if self._adopted.get(newest.home) == revision:
                continue
            self._adopted = {home: known for home, known in self._adopted.items() if home.app != newest.home.app}
            self._adopted[newest.home] = revision
            declaration = self._journal.schedules.declaration(newest.home)
            yield Adopted(newest.home, list(_readable(declaration.texts if declaration else "")))

    def _declared(self) -> dict[Home, int]:
        return {one.home: one.revision for one in self._journal.schedules.declarations()}

    def _changes(self, alive: Sequence[Deployment]) -> list[ScheduleChange]:
        waiting = self._journal.schedules.waiting(_apps(alive), MOST_AT_ONCE)
        now = time.time()
        return [self._change(one, now) for one in waiting]

    def _change(self, one: Waiting, now: float) -> ScheduleChange:
        try:
            return self._tick(one, Schedule.read(*one.texts), now)
        except _UNREADABLE as error:
            why = one_line(str(error), MOST_REASON)
            events.ScheduleHalted(one.texts[0], why).tell()
            return Halted(one.id, one.revision, why)

    def _tick(self, one: Waiting, schedule: Schedule, now: float) -> Tick:
        ticks = _due(one, schedule, now)
        runs = [(at, self._task(schedule, now)) for at in ticks.runs]
        if one.asked_at is not None:
            runs.append((one.asked_at, self._task(schedule, now, by_hand=True)))
        return Tick(one.id, one.revision, one.home, one.next_at, one.asked_at, runs, ticks.next_at)

    def _task(self, schedule: Schedule, now: float, *, by_hand: bool = False) -> NewTask:
        return schedule.blueprint.task(self._ids.next, now, events.origin(schedule.name, by_hand=by_hand))


def _due(one: Waiting, schedule: Schedule, now: float) -> Due:
    if one.is_paused:
        return Due((), one.next_at)
    if one.next_at is None or (one.seen_at or now) > now + AHEAD:
        last = one.last_at or 0.0
        return first(schedule.timing, max(now, last) if last < now + AHEAD else now)
    if one.next_at > now:
        return Due((), one.next_at)
    ticks = due(schedule.timing, schedule.missed, one.next_at, now)
    if now - one.next_at > LATE:
        events.TicksMissed(schedule.name, now - one.next_at, len(ticks.runs)).tell()
    return ticks


def _apps(alive: Sequence[Deployment]) -> set[str] | None:
    """By their names; None stands for whatever app there is."""
    return {name for one in alive for name in one.names} if all(one.names for one in alive) else None


def _readable(texts: str) -> Iterator[Schedule]:
    """Those of a declaration that can be read; of others it is said."""
    try:
        declared = [
            (str(name), str(timing), str(missed), str(rest)) for name, timing, missed, rest in json.loads(texts)
        ]
    except (ValueError, TypeError, RecursionError) as error:
        events.ScheduleRefused("(all)", f"what the code has declared cannot be read: {error}").tell()
        return
    for one in declared:
        try:
            yield Schedule.read(*one)
        except _UNREADABLE as error:
            events.ScheduleRefused(one[0], str(error)).tell()
