"""Which web workers live, as the journal and the kernel say, and which of them have not said hello to this runner."""

from __future__ import annotations

from collections.abc import Collection

from outlast.engines.contract import Journal
from outlast.liveness import Liveness

PATIENCE = 10.0  # seconds for a web worker to say hello: one that wants no runner never does


class RollCall:
    """Of the web workers in a journal."""

    def __init__(self, journal: Journal, liveness: Liveness) -> None:
        self._journal = journal
        self._liveness = liveness
        self._unheard: dict[int, float] = {}  # since when (monotonic), by id (row)

    def hold(self, connected: Collection[int], now: float) -> list[int]:
        """The ids of those that are dead. Outside of a transaction; raises StoreFailed or JournalUnusable."""
        present = {process for process, _ in self._journal.present("web")}
        dead = [process for process in present if self._liveness.holder(process) is None]
        self._unheard = {one: self._unheard.get(one, now) for one in present - {*dead, *connected}}
        return dead

    def expects_others(self, now: float) -> bool:
        """Whether one may be about to say which deployment it is of."""
        return any(now - since < PATIENCE for since in self._unheard.values())
