"""A runner's verbs as tests say them, each of them a turn of its own, and the clock of the journals that they open."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from outlast.journal.engines import open_journal
from outlast.journal.turn import (
    Began,
    Gone,
    Introduction,
    Learned,
    Retention,
    RunnersJournal,
    Turn,
    Wanted,
    WantedApart,
)
from outlast.system.deployment import NO_HOME, Home
from outlast.tasks.task import Claimed, End, Lane, Settlement, State


class Clock:
    """Stands still until it is set."""

    now = 1.0

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()


def at(now: float) -> None:
    """Set the clock of all journals that were `opened`."""
    CLOCK.now = now


def opened(url: str) -> RunnersJournal:
    """A journal that goes by CLOCK."""
    return open_journal(url, clock=CLOCK)


def claim(
    journal: RunnersJournal,
    runner: int,
    lane: Lane = Lane.LOOP,
    limit: int = 10,
    *,
    behind: int = 0,
    home: Home = NO_HOME,
    now: float = 3.0,
) -> list[Claimed]:
    at(now)
    wanted = Wanted([(lane, home)], {lane: limit}, behind)
    (taken,) = journal.turn(Turn(runner, wanted=[wanted])).taken
    return list(taken.attempts)


def claim_apart(journal: RunnersJournal, runner: int, *, suspects: bool = False) -> list[Claimed]:
    """The attempts for one process of lane `alone`."""
    wanted = WantedApart([NO_HOME], suspects=suspects)
    (apart,) = journal.turn(Turn(runner, apart=[wanted])).apart
    return [one for group in apart.groups for one in group]


def settle(journal: RunnersJournal, *settlements: Settlement, now: float = 4.0) -> list[int]:
    """The tasks whose attempt's end was taken."""
    at(now)
    return list(journal.turn(Turn(0, ended=settlements)).settled)


def done(one: Claimed) -> Settlement:
    return Settlement(one.id, one.attempt, End.DONE, State.DONE)


def began(journal: RunnersJournal, task: int, attempt: int, now: float) -> None:
    journal.turn(Turn(0, began=[Began(task, attempt, now)]))


def leave(journal: RunnersJournal, process: int, how: str, now: float) -> None:
    at(now)
    journal.turn(Turn(0, gone=[Gone(process, how)]))


def learn(journal: RunnersJournal, function: str, code: str, now: float = 1.0) -> None:
    at(now)
    journal.turn(Turn(0, learned=[Learned(function, code, 1.0)]))


def adopt(journal: RunnersJournal, runner: int, attempts: Sequence[Claimed]) -> int:
    return journal.turn(Turn(runner, introduction=Introduction([], attempts))).adopted


def prune(url: str, keep: Retention, now: float) -> int:
    """Of a journal that was opened at that time: it goes by no clock that was set forth since."""
    at(now)
    with closing(opened(url)) as journal:
        return journal.turn(Turn(0, keep=keep)).forgotten
