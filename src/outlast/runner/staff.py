"""How many task processes there should be, and which of them do what. Pure: what is there in, what to do out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from outlast.settings import Settings


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
class Staff:
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
class Limits:
    """How many task processes there may be that share, that run one attempt alone, and that wait."""

    max_children: int
    max_alone: int
    spares: int

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Those of settings."""
        return cls(settings.max_children, settings.max_alone, settings.spares)

    def beside(self, others: Counts) -> Limits:
        """What of these limits, which hold for all apps and releases, is left beside others: at least one to run in."""
        alone = max(min(1, self.max_alone), self.max_alone - others.alone)
        return Limits(max(1, self.max_children - others.shared), alone, max(0, self.spares - others.spares))


@dataclass(frozen=True, slots=True)
class Counts:
    """How many are there, or coming."""

    shared: int = 0
    alone: int = 0
    spares: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Of both together."""
        return Counts(self.shared + other.shared, self.alone + other.alone, self.spares + other.spares)


def next_move(staff: Staff, max_children: int, max_alone: int, spares: int) -> Move:
    """What brings the staff closer to what is needed."""
    is_short = (staff.usable == 0 or staff.is_crowded) and not staff.is_beginning
    needs_shared = is_short and staff.shared < max_children
    if needs_shared and staff.ready_spares:
        return Move.PROMOTE
    needs_alone = staff.alone_waits and staff.alone < max_alone
    if needs_alone and staff.ready_spares and not staff.begun_spares:
        return Move.BEGIN
    kept = spares if staff.usable else 0  # the first process is wanted before a spare one
    wanted = needs_shared + needs_alone + kept
    return Move.START if staff.ready_spares + staff.coming < wanted else Move.NOTHING
