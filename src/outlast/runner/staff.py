"""How many task processes there should be, and which of them do what. Pure: what is there in, what to do out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Role(Enum):
    """What a task process is for."""

    SPARE = "waits, ready, for what comes"
    SHARED = "runs many attempts at once"
    ALONE = "runs one attempt, or a few suspects, and nothing else"


class Move(Enum):
    """What to do next."""

    PROMOTE = "let a ready spare share"
    START = "start one more"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Staff:
    """What is there: `usable` shared processes are those that take work, `coming` are spares that start."""

    shared: int
    usable: int
    is_crowded: bool
    alone: int
    ready_spares: int
    coming: int
    alone_waits: bool


def next_move(staff: Staff, max_children: int, max_alone: int, spares: int) -> Move:
    """What brings the staff closer to what is needed."""
    needs_shared = (staff.usable == 0 or staff.is_crowded) and staff.shared < max_children
    if needs_shared and staff.ready_spares:
        return Move.PROMOTE
    needs_alone = staff.alone_waits and staff.alone < max_alone
    kept = spares if staff.usable else 0  # the first process is wanted before a spare one
    wanted = needs_shared + needs_alone + kept
    return Move.START if staff.ready_spares + staff.coming < wanted else Move.NOTHING
