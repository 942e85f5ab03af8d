"""The pools of a runner: one for each deployment that is alive, so that a task runs in its own app and release."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping

from outlast.events import endings
from outlast.runner.children import Child
from outlast.runner.launching import Generation
from outlast.runner.ledger import Ledger
from outlast.runner.pool import Pool
from outlast.runner.scaling import Counts
from outlast.runner.starter import Enrolment
from outlast.settings.settings import Settings
from outlast.system.deployment import Deployment, Home, deployment_for, newest_of
from outlast.tasks.limits import Limit
from outlast.tasks.task import Claimed, Lane
from outlast.wire.hello import Environment

Outputs = tuple[int, int]


class Pools:
    """`others_may_come`: whether a web worker lives that has not said hello.

    is_final: whether the runner ends if the first task process cannot start, as a server that cannot import its app.
    """

    def __init__(self, enrolment: Enrolment, ledger: Ledger, *, is_final: bool) -> None:
        self._enrolment = enrolment
        self._ledger = ledger
        self._is_final = is_final
        self.all: list[Pool] = []  # also those of which nothing is left but what still runs
        self.others_may_come = True

    @property
    def children(self) -> list[Child]:
        """All task processes."""
        return [child for pool in self.all for child in pool.crew.children]

    @property
    def running(self) -> int:
        """How many attempts are in a process, or will be as soon as one takes them."""
        return sum(pool.running for pool in self.all)

    @property
    def in_hand(self) -> list[Claimed]:
        """The attempts that are claimed and not settled."""
        return [attempt for pool in self.all for attempt in pool.in_hand]

    @property
    def told(self) -> dict[str, int | str]:
        """How many attempts have come back from a process and wait for another, and why none can start, if so."""
        hindrance = next((pool.crew.setbacks.why for pool in self.all if pool.crew.setbacks.why), "")
        return {"put_back": sum(len(pool.dispatch.queue.ready) for pool in self.all), "hindrance": hindrance}

    @property
    def newest(self) -> Generation | None:
        """How task processes start in the newest release that is alive, and where they write."""
        return next((pool.crew.generation for pool in self._newest_first()), None)

    def has_app_of(self, deployment: Deployment) -> bool:
        """Whether a release of its app has an environment."""
        return any(pool.has_environment and pool.deployment.is_same_app(deployment) for pool in self.all)

    def welcome(self, deployment: Deployment, environment: Environment, outputs: Outputs, *, serves: bool) -> None:
        """The newest hello of a server: it takes the place of what was in its folder, and stands beside all others.

        serves: False for a script.
        """
        pool = next((one for one in self.all if deployment.is_in_place_of(one.deployment)), None)
        if pool is None:
            pool = Pool(deployment, self._enrolment, self._ledger)
            pool.crew.setbacks.is_final = self._is_final
            self.all.append(pool)
        pool.deployment, pool.lost_at, pool.is_of_script = deployment, None, not serves
        pool.crew.welcome(environment, outputs, deployment.home)

    def learn_names(self, deployment: Deployment) -> None:
        """Somebody who has said hello calls an app by names that its servers may not have told."""
        for pool in self.all:
            if pool.deployment.names and pool.deployment.is_same_app(deployment):
                pool.deployment = pool.deployment.with_names_of(deployment)

    def homes(self) -> set[Home]:
        """Those of which most tasks are: that each deployment calls its own."""
        return {pool.deployment.home for pool in self.all if pool.is_alive}

    def of(self, home: Home) -> Pool | None:
        """The pool that runs the tasks of `home` now."""
        alive = {pool.deployment: pool for pool in self.all if pool.is_alive}
        awaited = [pool.deployment for pool in self.all if pool.has_environment and not pool.is_alive]
        chosen = deployment_for(home, list(alive), awaited, others_may_come=self.others_may_come)
        return alive[chosen] if chosen else None

    def find_lost(self, connected: Collection[Deployment], settings: Settings, now: float) -> bool:
        """See which have no web worker any more; after `linger` seconds nobody waits for its return.

        Returns whether that is so of one from now on.
        """
        gone = False
        for pool in self.all:
            is_there = any(each.is_in_place_of(pool.deployment) for each in connected)
            pool.lost_at = None if is_there else pool.lost_at or now
            if pool.lost_at is None:
                continue
            if pool.has_environment and now - pool.lost_at > settings.linger:
                pool.crew.forget_environment()
                gone = True
            if not pool.has_environment and now - pool.lost_at > max(settings.drain, settings.linger):
                pool.let_go(endings.drain_is_over(settings.drain, told=False))
        self.all = [pool for pool in self.all if _is_left(pool)]
        return gone

    def keep(self, now: float, open_lanes: Mapping[Pool, Collection[Lane]]) -> None:
        """Start, promote and let go children, the newest release's first; how many there may be holds for all."""
        for pool in self._newest_first():
            others = sum((each.crew.counts for each in self.all if each is not pool), Counts())
            pool.keep(now, open_lanes.get(pool, ()), others)

    def _newest_first(self) -> Iterable[Pool]:
        left = [pool for pool in self.all if pool.is_alive]
        while newest := newest_of([pool.deployment for pool in left]):
            pool = next(one for one in left if one.deployment is newest)
            left.remove(pool)
            yield pool

    def send(self, pid: int, number: int) -> bool:
        """Send a signal to a child; False if there is none of this pid."""
        if all(child.pid != pid for child in self.children):
            return False
        os.kill(pid, number)
        return True


def queues_of(pools: Iterable[Pool]) -> dict[str, Limit]:
    """The limits of queues as those set them that are there; where several do, as the one that came last."""
    there = [pool.crew.generation.settings for pool in pools if pool.is_alive and pool.crew.generation]
    return {name: settings.queue(name).limit for settings in there for name in settings.queues}


def _is_left(pool: Pool) -> bool:
    return bool(pool.has_environment or pool.crew.children or pool.dispatch.queue.all)
