"""Whether a runner serves, drains or leaves, as time goes by: decided from who is there, and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from outlast.events import endings, processes
from outlast.runner.ledger import Ledger
from outlast.runner.policy import Policy
from outlast.runner.pools import Pools
from outlast.runner.reception import Reception
from outlast.runner.signals import StopSignals
from outlast.settings.settings import Settings

PARTING_TIME = 5.0  # seconds in which web workers leave that are stopped at the same moment, as systemd stops a service


class Phase(Enum):
    """What a runner does as long as nothing changes."""

    SERVE = "claim and run"
    DRAIN = "let finish what runs, claim nothing"
    CUT = "let what still runs be cut, and leave"
    LINGER = "wait for the next web worker, hold nothing of the last"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Situation:
    """What the decision needs.

    alone: how many seconds nobody has been there to serve, or it has been told to stop; None while someone is.
    would_be_replaced: whether a web worker is connected that would start another runner at once.
    """

    alone: float | None
    stop_signals: int
    has_children: bool
    has_unwritten: bool
    would_be_replaced: bool


def decide(now: Situation, settings: Settings) -> Phase:
    """A second signal always ends it; one signal is as if the last web worker had gone, without the lingering."""
    if now.stop_signals > 1:
        return Phase.LEAVE
    if now.alone is None:
        return Phase.SERVE
    if now.has_children:
        return Phase.DRAIN if now.alone <= settings.drain else Phase.CUT
    if now.has_unwritten and now.alone <= settings.drain + settings.grace + settings.linger:
        return Phase.DRAIN  # what cannot be written in that time counts as cut at the next start
    if now.stop_signals:
        return Phase.LINGER if now.would_be_replaced and now.alone <= PARTING_TIME else Phase.LEAVE
    return Phase.LEAVE if now.alone > settings.linger else Phase.LINGER


class Tenure:
    """`phase`: what was decided last."""

    def __init__(
        self, policy: Policy, pools: Pools, ledger: Ledger, reception: Reception, stop_signals: StopSignals
    ) -> None:
        self.phase = Phase.SERVE
        self._policy = policy
        self._pools = pools
        self._ledger = ledger
        self._reception = reception
        self._stop_signals = stop_signals
        self._alone_since: float | None = None

    @property
    def serves(self) -> bool:
        """Whether tasks may be claimed."""
        return self.phase is Phase.SERVE

    def stay_or_go(self, now: float) -> None:
        """Serve while anyone is there to serve; let finish what runs, then leave, when not."""
        before, self.phase = self.phase, decide(self._situation(now), self._policy.settings)
        if before is Phase.SERVE and self.phase is not Phase.SERVE:
            self._begin_to_drain()
        if self.phase is Phase.CUT:
            for pool in self._pools.all:
                pool.let_go(endings.drain_is_over(self._policy.settings.drain, told=self._is_told))
        if self.phase is Phase.LINGER:
            self._reception.let_go_of_stderr(now)

    def _begin_to_drain(self) -> None:
        if self._pools.running:
            drain = self._policy.settings.drain
            processes.RunnerDrains(self._pools.running, drain, self._is_told).tell()
        for pool in self._pools.all:
            pool.crew.forget_environment()

    @property
    def _is_told(self) -> bool:
        return self._stop_signals.count > 0

    def _situation(self, now: float) -> Situation:
        is_wanted = not self._is_told and self._reception.has_someone_to_serve
        self._alone_since = None if is_wanted else self._alone_since or now
        alone = None if self._alone_since is None else now - self._alone_since
        is_wanted_anew = not (self._reception.standing or self._reception.is_outdated)
        would_be_replaced = is_wanted_anew and bool(self._reception.web_workers.connected)
        has_children, has_unwritten = bool(self._pools.children), self._ledger.has_ends
        return Situation(alone, self._stop_signals.count, has_children, has_unwritten, would_be_replaced)
