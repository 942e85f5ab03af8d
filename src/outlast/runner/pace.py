"""When the runner does something next, if nobody speaks to it before."""

from __future__ import annotations

from outlast.runner.claims import Claims
from outlast.runner.lifecycle import Tenure
from outlast.runner.pen import Pen
from outlast.runner.pools import Pools
from outlast.runner.rounds import POLL
from outlast.runner.web_workers import WebWorkers

ATTENTIVE = 0.05  # seconds between looks while something is about to change
WATCHFUL = 0.25  # seconds between looks for children that have fallen silent


class Pace:
    """Asks everybody what they wait for."""

    def __init__(self, tenure: Tenure, web_workers: WebWorkers, pools: Pools, claims: Claims, pen: Pen) -> None:
        self._tenure = tenure
        self._web_workers = web_workers
        self._pools = pools
        self._claims = claims
        self._pen = pen

    def patience(self, now: float) -> float:
        """How long to wait for something to happen (s)."""
        if self._pen.ledger:
            return max(0.0, self._pen.next_try - now)
        if self._tenure.serves and any(pool.crew.is_restless for pool in self._pools.all):
            return 0.0
        is_attentive = any(pool.attentive for pool in self._pools.all)
        if not self._tenure.serves or self._web_workers.may_have_died(now) or is_attentive:
            return ATTENTIVE
        next_time = self._claims.await_time(now)
        if now >= self._pen.next_try and self._claims.have_room(now):
            return 0.0
        next_prune = max(self._pen.pruning.next_prune, self._pen.next_try)
        return min(WATCHFUL if self._pools.running else POLL, next_time, max(0.0, next_prune - now))

    def has_something_to_write(self, now: float) -> bool:
        """Whether a transaction is due."""
        if now < self._pen.next_try:
            return False
        if self._pen.has_something:
            return True
        return self._tenure.serves and (now >= self._pen.pruning.next_prune or self._claims.have_room(now))

    def linger(self, now: float) -> float:
        """How long a transaction may be put off still, for what is in line to begin meanwhile (s); 0: it may not."""
        is_moving = any(pool.dispatch.queue.is_moving(now) for pool in self._pools.all)
        return max(0.0, self._pen.written_at + self._pen.pause - now) if is_moving else 0.0
