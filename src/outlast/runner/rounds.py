"""The runner's rounds, once a second: who has died, what is due, what was cancelled, that nobody has told of."""

from __future__ import annotations

from collections.abc import Collection

from outlast.events import endings
from outlast.journal.contract import Journal
from outlast.journal.turn import Burial
from outlast.runner.claims import Claims
from outlast.runner.dump_requests import DumpRequests
from outlast.runner.ledger import Ledger
from outlast.runner.parking import Parking
from outlast.runner.pools import Pools
from outlast.runner.presence import Presence
from outlast.runner.reaping import reap_strays
from outlast.runner.web_deaths import WebDeaths
from outlast.runner.web_workers import WebWorkers
from outlast.system.liveness import Liveness

PATIENCE = 10.0  # seconds for a web worker to say hello: one that wants no runner never does
POLL = 1.0  # seconds between looks at the journal for tasks nobody woke us for


class Rounds:
    """What it finds goes where it belongs: into the ledger, to the claims, to the pools."""

    def __init__(
        self,
        journal: Journal,
        presence: Presence,
        roll_call: RollCall,
        ledger: Ledger,
        pools: Pools,
        dump_requests: DumpRequests,
    ) -> None:
        self._journal = journal
        self._presence = presence
        self._roll_call = roll_call
        self._ledger = ledger
        self._pools = pools
        self.dump_requests = dump_requests
        self._next_look = 0.0

    def hurry(self) -> None:
        """Something may be found at once."""
        self._next_look = 0.0

    def are_due(self, now: float) -> bool:
        """Whether it is time for the next."""
        return now >= self._next_look

    def look_at_processes(self, deaths: WebDeaths, now: float) -> None:
        """Who has died of the web workers, and which task processes have grown too large."""
        self._next_look = now + POLL
        for pool in self._pools.all:
            pool.crew.watch_memory()
        self._ledger.add_incidents(deaths.look(now))
        self._reap_strays()

    def _reap_strays(self) -> None:
        """Collect processes that are nobody's: their parents have died, and this is the subreaper of all below it."""
        crews = [pool.crew for pool in self._pools.all]
        if not any(crew.starter.launcher.coming for crew in crews):  # else one may be a task process not heard of yet
            reap_strays({pid for crew in crews for pid in crew.pids})

    def look_into_journal(self, web_workers: WebWorkers, claims: Claims, parking: Parking, now: float) -> None:
        """Which task is due: its time has come, or a hand put it there. Raises StoreFailed or JournalUnusable."""
        claims.look(now)
        connected = {hello.process for _, hello in web_workers.connected}
        for process, pid in self._roll_call.hold(connected, now):  # after what is due: it knows whose that is
            self._ledger.add_once(Burial(process, endings.inline_never_ran(pid), endings.inline_cut(pid)))
        self._pools.others_may_come = self._roll_call.expects_others(now)
        parking.look(now)
        cancelled = self._journal.attempts.cancels_of(self._presence.me)
        for pool in self._pools.all:
            pool.cancel(cancelled, now)


class RollCall:
    """Of the web workers in a journal."""

    def __init__(self, journal: Journal, liveness: Liveness) -> None:
        self._journal = journal
        self._liveness = liveness
        self._unheard: dict[int, float] = {}  # since when (monotonic), by id (row)

    def hold(self, connected: Collection[int], now: float) -> list[tuple[int, int]]:
        """Those that are dead: id, pid. Outside of a transaction; raises StoreFailed or JournalUnusable."""
        present = dict(self._journal.processes.present("web"))
        dead = {one: pid for one, pid in present.items() if self._liveness.holder(one) is None}
        self._unheard = {one: self._unheard.get(one, now) for one in present if one not in {*dead, *connected}}
        return list(dead.items())

    def expects_others(self, now: float) -> bool:
        """Whether one may be about to say which deployment it is of."""
        return any(now - since < PATIENCE for since in self._unheard.values())
