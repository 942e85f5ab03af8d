"""How an attempt is made to stop, rung by rung. Pure: what is seen in, what to do out.

It is told first: a coroutine is cancelled, a thread finds out when it asks. One that blocks its event loop is
interrupted. What does not listen loses its process; what else is in it may finish before, where it can.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

TIME_TO_BREAK_OFF = 0.5  # seconds from the first interrupt on


class Grip(Enum):
    """What an attempt that shall stop does to its process."""

    LOOP = "it awaits on an event loop that runs"
    THREAD = "it runs in a thread"
    BLOCKS = "it blocks the event loop"
    WAITS = "another attempt blocks the event loop, so it cannot even hear that it shall stop"
    SILENT = "something in its process, perhaps itself, holds the interpreter's lock"


class Rung(Enum):
    """What to do next."""

    WAIT = "nothing yet"
    INTERRUPT = "raise an exception in it"
    RETIRE = "give its process no more work, let the others finish"
    KILL = "end its process"


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of an attempt: seconds since it was told to stop, and since the first interrupt (0: none).

    others: there are attempts beside it that shall not stop.
    """

    grip: Grip
    told: float
    interrupted: float
    others: bool


def next_rung(seen: Sight, patience: float, grace: float) -> Rung:
    """The step for now.

    patience: seconds to obey, in which a blocked loop is also found out. What still runs then may have `grace` more
    for its cleaning up, or for the others' sake.
    """
    match seen.grip:
        case Grip.WAITS:
            return Rung.WAIT
        case Grip.BLOCKS | Grip.SILENT:
            return Rung.INTERRUPT if seen.interrupted < TIME_TO_BREAK_OFF else Rung.KILL
    if seen.told < patience:
        return Rung.WAIT
    may_go_on = seen.grip is Grip.LOOP or seen.others
    return Rung.RETIRE if may_go_on and seen.told < patience + grace else Rung.KILL
