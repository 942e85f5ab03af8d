"""Who was there each time that everything went down runs with nothing beside it on this machine.

So what it does to the machine next is done to nobody else, and no innocent is convicted with it: of several suspects
one runs at a time. After a minute in which the machine has lived, others, who are no suspects, may run beside it: it
may be an innocent that takes hours and was there when its container was replaced.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from outlast.tasks.outcome import ALONE_AFTER
from outlast.tasks.task import Claimed

LONGEST = 60.0  # seconds for which others wait for one suspect, and it for others


class Turn(Enum):
    """Whose turn it is to be claimed."""

    SUSPECT = "one suspect"
    OTHERS = "all but suspects"
    NOBODY = "nobody: a suspect runs, or those before it have not ended"


class Quarantine:
    """Keeps suspects and others apart. `may_be_due`: whether the journal has to be asked for a suspect."""

    def __init__(self) -> None:
        self.may_be_due = False
        self._inside: Claimed | None = None
        self._since: float | None = None  # when it began, or others were first kept from beginning

    @property
    def is_empty(self) -> bool:
        """Whether there is nobody to keep apart."""
        return self._inside is None and not self.may_be_due

    def turn(self, in_hand: Collection[Claimed], now: float) -> Turn:
        """What may be claimed now. `in_hand`: the attempts that run."""
        if self._inside is not None and self._inside not in in_hand:
            self._inside = self._since = None
        if self.is_empty:
            return Turn.OTHERS
        if self._inside is None and not in_hand:
            return Turn.SUSPECT
        self._since = self._since or now
        if now - self._since < LONGEST:
            return Turn.NOBODY
        return Turn.OTHERS if self._inside else Turn.SUSPECT

    def took(self, suspects: Collection[Claimed], now: float) -> None:
        """One was claimed, or there is none."""
        self._inside = next(iter(suspects), None)
        self._since = now if self._inside else None
        self.may_be_due = bool(suspects)

    def returned(self, attempt: Claimed) -> None:
        """An attempt waits again."""
        self.may_be_due = self.may_be_due or attempt.cuts >= ALONE_AFTER
