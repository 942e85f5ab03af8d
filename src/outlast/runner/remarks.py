"""What task processes have to say that is the same in each of them: it is said once."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from outlast.text import MOST_REASON, one_line

log = logging.getLogger("outlast")
MOST = 1000  # remarks that are remembered


class Remarks:
    """Remembers what has been said."""

    def __init__(self) -> None:
        self._made: set[str] = set()

    def make(self, sentences: Iterable[object]) -> None:
        """Say those that are new."""
        for sentence in sentences:
            said = one_line(sentence, MOST_REASON)
            if said and said not in self._made and len(self._made) < MOST:
                self._made.add(said)
                log.warning("%s", said)
