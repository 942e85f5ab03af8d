"""What has happened and is not written yet: kept in memory until the journal takes it.

What becomes of an attempt that is over is decided and said here, too, as it is put down.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from outlast.events import hindrances
from outlast.journal.schedules import Adopted, Halted, Tick
from outlast.journal.turn import Began, Burial, Gone, Known, Learned, Reached, Turn
from outlast.runner import ends
from outlast.runner.policy import Policy
from outlast.tasks.outcome import Happening, outcome
from outlast.tasks.task import FINISHED, Claimed, Settlement, State
from outlast.watch.incident import Incident

MOST_INCIDENTS = 1000  # that wait to be written, as many as a journal keeps; the oldest are left out first


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt is over."""

    settlement: Settlement
    attempt: Claimed


Entry = Began | Reached | Ended | Burial | Gone | Learned | Known | Incident | Tick | Halted | Adopted


class Ledger:
    """Entries in the order in which they came. What is over in the journal is struck out by `strike`.

    may_wait: whether a task may have come to wait of late.
    """

    def __init__(self, policy: Policy) -> None:
        self.may_wait = False
        self._policy = policy
        self._entries: list[Entry] = []
        self._again: list[Claimed] = []

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def page(self) -> Sequence[Entry]:
        """All that is to be written now."""
        return tuple(self._entries)

    @property
    def ended(self) -> list[Claimed]:
        """The attempts that are over and not settled."""
        return [one.attempt for one in self._entries if isinstance(one, Ended)]

    @property
    def has_ends(self) -> bool:
        """Whether there is an attempt that is over and not settled."""
        return any(isinstance(one, Ended) for one in self._entries)

    @property
    def has_schedules(self) -> bool:
        """Whether there is something about schedules."""
        return any(isinstance(one, Tick | Halted | Adopted) for one in self._entries)

    def settle(self, attempt: Claimed, happening: Happening) -> bool:
        """An attempt is over; returns whether its task has ended for good."""
        settlement = outcome(happening, attempt, self._policy.settings.max_crashes)
        self.add(Ended(settlement, attempt))
        ends.tell_settled(attempt, settlement, happening)
        self.may_wait = True
        if settlement.state is State.WAITING:
            self._again.append(attempt._replace(cuts=attempt.cuts + settlement.cuts))
        return settlement.state in FINISHED

    def take_again(self) -> list[Claimed]:
        """Those whose tasks wait again, each once."""
        taken, self._again = self._again, []
        return taken

    def add(self, entry: Entry) -> None:
        """To be written."""
        self._entries.append(entry)

    def add_once(self, entry: Entry) -> None:
        """To be written, if that is not so already."""
        if entry not in self._entries:
            self._entries.append(entry)

    def learn(self, newest: Learned) -> None:
        """To be written; it is said again and again of one that goes on, with more seconds."""
        self._entries = [one for one in self._entries if not _is_same_function(one, newest)]
        self._entries.append(newest)

    def reach(self, newest: Reached) -> None:
        """To be written, in place of what the same attempt has said before."""
        for index, one in enumerate(self._entries):
            if isinstance(one, Reached) and (one.task_id, one.attempt) == (newest.task_id, newest.attempt):
                self._entries[index] = one.and_then(newest)
                return
        self._entries.append(newest)

    def add_incidents(self, incidents: Iterable[Incident]) -> None:
        """To be written; of too many, the newest."""
        self._entries += incidents
        waiting = [one for one in self._entries if isinstance(one, Incident)]
        for oldest in waiting[:-MOST_INCIDENTS]:
            self._entries.remove(oldest)
            hindrances.IncidentLeftOut(MOST_INCIDENTS, oldest.sentence).tell()

    def strike(self, page: Sequence[Entry]) -> None:
        """That is in the journal, or nothing for it."""
        written = set(map(id, page))
        self._entries = [one for one in self._entries if id(one) not in written]

    def counted(self) -> dict[str, int]:
        """How many entries of each kind wait."""
        return dict(Counter(type(one).__name__ for one in self._entries))


def turn_of(page: Sequence[Entry], runner: int, file: object) -> Turn:
    """The batch that writes a page, of the runner with this id that is known to this store."""
    of: defaultdict[type, list[Any]] = defaultdict(list)
    for one in page:
        of[type(one)].append(one)
    return Turn(
        runner,
        file,
        began=of[Began],
        reached=of[Reached],
        ended=[one.settlement for one in of[Ended]],
        burials=of[Burial],
        gone=of[Gone],
        learned=of[Learned],
        known=of[Known],
        happened=of[Incident],
        schedules=[*of[Adopted], *of[Tick], *of[Halted]],
    )


def parks(page: Sequence[Entry]) -> bool:
    """Whether a task is parked by what is on a page."""
    return any(isinstance(one, Ended) and one.settlement.state is State.PARKED for one in page)


def leaves_or_finds_tasks(page: Sequence[Entry]) -> bool:
    """Whether what is on a page may let tasks wait: those of the dead, those that were parked, those of schedules."""
    return any(isinstance(one, Burial | Known | Tick) for one in page)


def _is_same_function(one: Entry, other: Learned) -> bool:
    return isinstance(one, Learned) and one.function == other.function
