"""The pools of a runner: one for each deployment that is alive, so that a task runs in its own app and release."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from outlast import endings
from outlast.deployments import Deployment, Home, deployment_for, newest_of
from outlast.engines.contract import Parked
from outlast.hello import Environment
from outlast.runner.children import Child
from outlast.runner.pool import Pool
from outlast.runner.staff import Counts
from outlast.runner.strays import reap_strays
from outlast.settings import Settings
from outlast.tasks import Claimed, Lane

Outputs = tuple[int, int]


@dataclass(eq=False)
class Member:
    """A pool and its deployment. `lost_at`: when its last web worker has gone (monotonic), None while one is there."""

    deployment: Deployment
    pool: Pool
    lost_at: float | None = None

    @property
    def is_alive(self) -> bool:
        """Whether its tasks run there."""
        return self.lost_at is None and self.pool.has_environment

    @property
    def is_awaited(self) -> bool:
        """Whether it may be back in a moment."""
        return self.lost_at is not None and self.pool.has_environment

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left of it."""
        return not (self.pool.has_environment or self.pool.children or self.pool.queue.all)


class Pools:
    """`make` makes an empty pool. `others_may_come`: whether a web worker lives that has not said hello."""

    def __init__(self, make: Callable[[], Pool]) -> None:
        self._make = make
        self._members: list[Member] = []
        self.others_may_come = True

    @property
    def all(self) -> list[Pool]:
        """Also those of which nothing is left but what still runs."""
        return [one.pool for one in self._members]

    @property
    def children(self) -> list[Child]:
        """All task processes."""
        return [child for pool in self.all for child in pool.children]

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
        hindrance = next((pool.setbacks.why for pool in self.all if pool.setbacks.why), "")
        return {"put_back": sum(len(pool.queue.ready) for pool in self.all), "hindrance": hindrance}

    @property
    def has_environment(self) -> bool:
        """Whether there is one in which tasks can run."""
        return any(pool.has_environment for pool in self.all)

    @property
    def is_restless(self) -> bool:
        """Whether there may be more to start or promote at once."""
        return any(pool.is_restless for pool in self.all)

    @property
    def attentive(self) -> bool:
        """Whether an attempt has to be stopped, or may have to be soon."""
        return any(pool.attentive for pool in self.all)

    def is_moving(self, now: float) -> bool:
        """Whether it may be somebody's turn any moment that is behind another."""
        return any(pool.queue.is_moving(now) for pool in self.all)

    def has_app_of(self, deployment: Deployment) -> bool:
        """Whether a release of its app has an environment."""
        return any(one.pool.has_environment and one.deployment.is_same_app(deployment) for one in self._members)

    def welcome(self, deployment: Deployment, environment: Environment, outputs: Outputs) -> None:
        """The newest hello of a server: it takes the place of what was in its folder, and stands beside all others."""
        member = next((one for one in self._members if deployment.is_in_place_of(one.deployment)), None)
        if member is None:
            member = Member(deployment, self._make())
            self._members.append(member)
        member.deployment, member.lost_at = deployment, None
        member.pool.welcome(environment, outputs, deployment.home)

    def learn_names(self, deployment: Deployment) -> None:
        """Somebody who has said hello calls an app by names that its servers may not have told."""
        for one in self._members:
            if one.deployment.names and one.deployment.is_same_app(deployment):
                one.deployment = one.deployment.with_names_of(deployment)

    def check_code(self) -> None:
        """Ask every child whether a file it has imported has changed."""
        for pool in self.all:
            pool.check_code()

    def homes(self) -> set[Home]:
        """Those of which most tasks are: that each deployment calls its own."""
        return {one.deployment.home for one in self._members if one.is_alive}

    def of(self, home: Home) -> Pool | None:
        """The pool that runs the tasks of `home` now."""
        alive = {one.deployment: one.pool for one in self._members if one.is_alive}
        awaited = [one.deployment for one in self._members if one.is_awaited]
        chosen = deployment_for(home, list(alive), awaited, others_may_come=self.others_may_come)
        return alive[chosen] if chosen else None

    def concerned(self, pool: Pool, groups: Iterable[Parked]) -> list[Parked]:
        """Those groups of its app that a pool may run: its own, and those that would be its own if it knows them."""
        here = next(one.deployment for one in self._members if one.pool is pool)
        found = []
        for group in groups:
            home = group.example.home
            if (runs := self.of(home)) and here.is_app(home.app):
                found.append(group if runs is pool else replace(group, home=here.home))
        return found

    def find_lost(self, connected: Collection[Deployment], settings: Settings, now: float) -> bool:
        """See which have no web worker any more; after `linger` seconds nobody waits for its return.

        Returns whether that is so of one from now on.
        """
        gone = False
        for one in self._members:
            is_there = any(each.is_in_place_of(one.deployment) for each in connected)
            one.lost_at = None if is_there else one.lost_at or now
            if one.lost_at is None:
                continue
            if one.pool.has_environment and now - one.lost_at > settings.linger:
                one.pool.forget_environment()
                gone = True
            if not one.pool.has_environment and now - one.lost_at > max(settings.drain, settings.linger):
                one.pool.let_go(endings.drain_is_over(settings.drain, told=False))
        self._members = [one for one in self._members if not one.is_over]
        return gone

    def forget_environments(self) -> None:
        """No web worker is left: hold nothing of the servers that have gone, let children finish what they have."""
        for pool in self.all:
            pool.forget_environment()

    def keep(self, now: float, open_lanes: Mapping[Pool, Collection[Lane]]) -> None:
        """Start, promote and let go children, the newest release's first; how many there may be holds for all."""
        for one in self._newest_first():
            others = sum((each.pool.counts for each in self._members if each is not one), Counts())
            one.pool.keep(now, open_lanes.get(one.pool, ()), others)

    def _newest_first(self) -> Iterable[Member]:
        left = [one for one in self._members if one.is_alive]
        while newest := newest_of([one.deployment for one in left]):
            member = next(one for one in left if one.deployment is newest)
            left.remove(member)
            yield member

    def reap_strays(self) -> None:
        """Collect processes that are nobody's: their parents have died, and this is the subreaper of all below it."""
        if not any(pool.is_expecting for pool in self.all):  # else one may be a task process not heard of yet
            reap_strays({pid for pool in self.all for pid in pool.pids})

    def enforce(self, now: float) -> None:
        """Stop what has taken too long, was cancelled, or blocks its loop for too long."""
        for pool in self.all:
            pool.enforce(now)

    def send_signal(self, pid: int, number: int) -> bool:
        """Send a signal to a child; False if there is none of this pid."""
        return any(pool.send_signal(pid, number) for pool in self.all)

    def cancel(self, tasks: Collection[int], now: float) -> None:
        """Stop these, wherever they run."""
        for pool in self.all:
            pool.cancel(tasks, now)

    def watch_memory(self, now: float) -> None:
        """Processes that have grown too large finish what they have."""
        for pool in self.all:
            pool.watch_memory(now)

    def send_back(self, why: str) -> None:
        """Let those wait in the journal that wait here for the end of another."""
        for pool in self.all:
            pool.send_back(why)

    def let_go(self, why: str) -> None:
        """Let all leave, and first what runs in them: it is cut, and nobody is to blame."""
        for pool in self.all:
            pool.let_go(why)

    def end_all(self, why: str) -> None:
        """Kill every child; what runs in them is cut and nobody is to blame."""
        for pool in self.all:
            pool.end_all(why)
