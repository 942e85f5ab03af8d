"""How many task processes there should be, and which of them do what. Pure: what is there in, what to do out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from outlast.settings.settings import Settings


class Role(Enum):
    """What a task process is for."""

    SPARE = "waits, ready, for what comes"
    SHARED = "runs many attempts at once"
    ALONE = "runs one attempt, or a few suspects, and nothing else"


class Move(Enum):
    """What to do next."""

    PROMOTE = "let a spare share"
    BEGIN = "have a spare enter the lifespan, for what runs alone"
    START = "start one more"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Capacity:
    """What is there: `usable` shared processes are those that take work, `coming` are spares that start.

    is_beginning: whether a shared one enters the lifespan. begun_spares: those of the spares that have begun to.
    """

    shared: int
    usable: int
    is_beginning: bool
    is_crowded: bool
    alone: int
    ready_spares: int
    begun_spares: int
    coming: int
    alone_waits: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """How many share, run one attempt alone, and wait: that are there or coming, or that there may be."""

    shared: int = 0
    alone: int = 0
    spares: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Of both together."""
        return Counts(self.shared + other.shared, self.alone + other.alone, self.spares + other.spares)


def limits_of(settings: Settings, others: Counts) -> Counts:
    """What of the limits, which hold for all apps and releases, is left beside others: at least one to run in."""
    alone = max(1, settings.max_alone - others.alone)
    return Counts(max(1, settings.max_children - others.shared), alone, max(0, settings.spares - others.spares))


def next_move(capacity: Capacity, max_children: int, max_alone: int, spares: int) -> Move:
    """What brings the capacity closer to what is needed."""
    is_short = (capacity.usable == 0 or capacity.is_crowded) and not capacity.is_beginning
    needs_shared = is_short and capacity.shared < max_children
    if needs_shared and capacity.ready_spares:
        return Move.PROMOTE
    needs_alone = capacity.alone_waits and capacity.alone < max_alone
    if needs_alone and capacity.ready_spares and not capacity.begun_spares:
        return Move.BEGIN
    kept = spares if capacity.usable else 0  # the first process is wanted before a spare one
    wanted = needs_shared + needs_alone + kept
    return Move.START if capacity.ready_spares + capacity.coming < wanted else Move.NOTHING
