"""Web workers come and go: which deployments there are follows from that, and for whom the runner's log speaks."""

from __future__ import annotations

import os
from collections.abc import Collection

from outlast.events import processes
from outlast.runner.crew import have_rested
from outlast.runner.policy import Policy
from outlast.runner.pools import Pools
from outlast.runner.voice import Voice
from outlast.runner.web_deaths import WebDeaths
from outlast.runner.web_workers import Caller, WebWorkers
from outlast.system.deployment import Deployment
from outlast.wire.channel import as_outputs, close
from outlast.wire.hello import VERSION, Hello

RECENT_DEATH = 10.0  # seconds in which a successor may begin, to be told of though it says no hello


class Reception:
    """standing: what `outlast worker` says of itself, which stays without a web worker.

    is_outdated: whether a web worker has another outlast, and needs another runner.
    """

    def __init__(
        self,
        web_workers: WebWorkers,
        deaths: WebDeaths,
        pools: Pools,
        policy: Policy,
        voice: Voice,
        standing: Hello | None,
    ) -> None:
        self.web_workers = web_workers
        self.deaths = deaths
        self.standing = standing
        self.is_outdated = False
        self._pools = pools
        self._policy = policy
        self._voice = voice
        self._has_heir = False  # whether a web worker lives that came after one that was cut, and has said nothing yet
        if standing and standing.environment:
            policy.settings = standing.environment.settings

    def greet_standing(self) -> None:
        """What stays is there from the beginning."""
        if self.standing and self.standing.environment:
            outputs = (os.dup(1), os.dup(2))
            self._pools.welcome(self.standing.deployment, self.standing.environment, outputs, serves=True)

    def greet(self, caller: Caller, hello: Hello, now: float) -> None:
        """Somebody is there."""
        self.deaths.exits.expect(caller.channel.peer, now)
        try:
            self._greet(hello, caller.take_outputs())
        except OSError as error:  # no descriptor is left: it connects again
            self.web_workers.listener.complain(error)
            caller.channel.close()

    def _greet(self, hello: Hello, outputs: list[int]) -> None:
        """A server's environment is that of its tasks; a script's only while there is no server.

        One of another outlast needs another runner: leave for it.
        """
        if hello.environment is None:
            processes.RunnerLeaves(f"a web worker has outlast {hello.version}, this is {VERSION}").tell()
            self.is_outdated = True
            close(outputs)
        elif not self.standing and (hello.serves or not self._pools.has_app_of(hello.deployment)):
            self._policy.settings = hello.environment.settings
            self._pools.welcome(hello.deployment, hello.environment, as_outputs(outputs), serves=hello.serves)
            self._voice.speak_for(self._pools.newest)
        else:
            close(outputs)
            for pool in self._pools.all:
                pool.crew.check_code()
        self._pools.learn_names(hello.deployment)

    def find_lost(self, now: float) -> bool:
        """Whether a deployment's web workers have gone for good by now.

        It may have others, which had nothing to say to a runner yet; a script has none.
        """
        if self.standing:
            return False
        connected = {hello.deployment for _, hello in self.web_workers.connected}
        is_gone = self._let_go_of_scripts(connected, now)
        if not self.deaths.sees_others_than(self.web_workers.pids):
            is_gone = self._pools.find_lost(connected, self._policy.settings, now) or is_gone
        if is_gone:
            self._voice.speak_for(self._pools.newest)
        return is_gone

    def _let_go_of_scripts(self, connected: Collection[Deployment], now: float) -> bool:
        """Hold nothing of one that has gone once its tasks have ended: who reads what it prints may wait for that."""
        scripts = [pool for pool in self._pools.all if pool.is_of_script and pool.has_environment]
        gone = [one for one in scripts if not any(each.is_in_place_of(one.deployment) for each in connected)]
        done = [one for one in gone if not one.dispatch.queue.all and have_rested(one.crew.children, now)]
        for pool in done:
            pool.crew.forget_environment()
        return bool(done)

    @property
    def has_someone_to_serve(self) -> bool:
        """Also a web worker that has had no task yet: the next one may be its, and its death is worth a word."""
        if self.standing or self.web_workers.connected:
            return True
        return any(pool.has_environment for pool in self._pools.all) and self.deaths.sees_others_than(())

    def let_go_of_stderr(self, now: float) -> None:
        """Nobody is left to speak for, and nothing to say of the last, nor of one that may die in its turn."""
        is_recent = now - max(self.web_workers.last_cut, self.deaths.last_seen) < RECENT_DEATH
        self._has_heir = (is_recent or self._has_heir) and self.deaths.sees_others_than(())
        if not (self._voice.is_waiting or self.deaths.is_busy or is_recent or self._has_heir):
            self._voice.fall_mute()

    def close(self) -> None:
        """Let nobody in any more, and watch nobody."""
        self.web_workers.close()
        self.deaths.exits.close()
