"""The task processes of one deployment: who is there, who comes, who is let go."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import astuple

from outlast.events import endings, processes
from outlast.runner import ends
from outlast.runner.children import Child
from outlast.runner.launching import Generation
from outlast.runner.scaling import Capacity, Counts, Move, Role, limits_of, next_move
from outlast.runner.setbacks import Setbacks
from outlast.runner.starter import Enrolment, Starter
from outlast.system.deployment import Home
from outlast.system.memory import resident_bytes
from outlast.tasks.task import Lane
from outlast.wire.channel import close
from outlast.wire.hello import Environment

OLD_GENERATIONS = 2  # how many may still be finishing what they have
SURPLUS_IDLE = 60.0  # seconds after which a child that is not needed leaves
REST = 2.0  # seconds without an attempt in which one that waits would have been claimed


class Crew:
    """is_restless: whether more may be started or promoted at once."""

    def __init__(self, enrolment: Enrolment, setbacks: Setbacks) -> None:
        self.children: list[Child] = []
        self.starter = Starter(enrolment, setbacks)
        self.setbacks = setbacks
        self.limits = Counts()
        self.is_restless = False

    @property
    def generation(self) -> Generation | None:
        """How task processes start; None: nobody knows."""
        return self.starter.generation

    @property
    def counts(self) -> Counts:
        """How many task processes there are, or are coming; whoever comes waits at first."""
        shared, alone, spares = (len(in_role(self.children, role)) for role in (Role.SHARED, Role.ALONE, Role.SPARE))
        return Counts(shared, alone, spares + self.starter.launcher.coming)

    @property
    def pids(self) -> set[int]:
        """Of all processes that it has started."""
        return {*(child.pid for child in self.children), *self.starter.launcher.pids}

    def ready(self, role: Role, now: float) -> list[Child]:
        """Those that take attempts in this role."""
        return [child for child in self.children if child.accepts(role, now)]

    def welcome(self, environment: Environment, outputs: tuple[int, int], home: Home) -> None:
        """The newest hello: children of another environment or output finish what they have and are replaced."""
        old, self.starter.home = self.generation, home
        if old is not None and old.is_for(environment, outputs):
            close(outputs)
            self.check_code()
        else:
            self._begin(Generation(old.number + 1 if old else 1, environment, outputs))
        self.setbacks.reset()

    def check_code(self) -> None:
        """Ask every child whether a file it has imported has changed; those say `stale` and are replaced."""
        self.starter.launcher.check_code()
        for child in self.children:
            child.process.channel.send({"type": "check"})

    def forget_environment(self) -> None:
        """No web worker is left: hold nothing of the server that has gone, let children finish what they have."""
        self._begin(None)

    def _begin(self, generation: Generation | None) -> None:
        old = self.generation
        self.children += self.starter.begin(generation)
        self._retire(child for child in self.children if child.generation is not generation)
        if old is not None:
            close(old.outputs)

    def _retire(self, children: Iterable[Child]) -> None:
        for child in list(children):
            child.drain()
        oldest = self.generation.number - OLD_GENERATIONS if self.generation else 0
        self.let_go([one for one in self.children if one.generation.number < oldest], endings.CODE_REPLACED)

    def let_go(self, children: Iterable[Child], why: str) -> None:
        """Let these leave, and first what runs in them: it is cut, and nobody is to blame."""
        ends.tell_cut([one for child in children for one in child.leave(why, time.monotonic())], why)

    def watch_memory(self) -> None:
        """Processes that have grown beyond `max_rss` finish what they have; one that has done nothing stays."""
        for child in self.children:
            most, work = child.generation.settings.max_rss, child.work
            has_worked = child.start.ready_at and (work.idle_since > child.start.ready_at or work.running)
            if most and child.stays and has_worked and (size := resident_bytes(child.pid)) > most:
                processes.TaskProcessRecycled(child.pid, size, most).tell()
                child.drain()

    def keep(self, now: float, lanes_waiting: Collection[Lane], queued: Collection[Lane], others: Counts) -> None:
        """Start, promote and let go children, as it can be done beside those of `others`."""
        self.is_restless = False
        if self.generation is None:
            return
        self.children += self.starter.arrived(now)
        self.limits = limits_of(self.generation.settings, others)
        move = next_move(self._capacity(now, lanes_waiting, queued), *astuple(self.limits))
        if move is not Move.NOTHING and self.setbacks.may_try(now):
            self._make(move, now)
        for child in surplus(self.children, self.limits, now):
            child.drain()

    def _make(self, move: Move, now: float) -> None:
        if move is Move.START:
            self.is_restless = self.starter.start()
            self.children += self.starter.arrived(now)
            return
        self.is_restless = True
        spare = max(spares(self.children), key=lambda child: child.start.ready_at > 0)
        spare.begin()
        spare.role = Role.SHARED if move is Move.PROMOTE else spare.role

    def _capacity(self, now: float, lanes_waiting: Collection[Lane], queued: Collection[Lane]) -> Capacity:
        usable = self.ready(Role.SHARED, now)
        lanes = {*lanes_waiting, *queued} - {Lane.ALONE}
        return Capacity(
            shared=len(in_role(self.children, Role.SHARED)),
            usable=len(usable),
            is_beginning=any(not child.start.ready_at for child in in_role(self.children, Role.SHARED)),
            is_crowded=any(all(not child.free(lane) for child in usable) for lane in lanes),
            alone=len(in_role(self.children, Role.ALONE)),
            ready_spares=len(spares(self.children)),
            begun_spares=sum(child.start.begun_at > 0 for child in spares(self.children)),
            coming=self.counts.spares - len(spares(self.children)),
            alone_waits=Lane.ALONE in lanes_waiting,
        )


def in_role(children: Collection[Child], role: Role) -> list[Child]:
    """Those that stay and do this."""
    return [child for child in children if child.role is role and child.stays]


def spares(children: Collection[Child]) -> list[Child]:
    """Those that wait, most of them before the lifespan, which they enter when they are needed."""
    return [child for child in in_role(children, Role.SPARE) if child.start.imported_at]


def surplus(children: Collection[Child], limits: Counts, now: float) -> list[Child]:
    """Those that are to leave: one shared process and the spares stay however long they are idle.

    Of more than may share, those with least to do finish what they have, since another pool needs their place.
    """
    shared = sorted(in_role(children, Role.SHARED), key=lambda child: len(child.work.running))
    leaving = shared[: max(0, len(shared) - limits.shared)]
    ready = [child for child in shared if child.accepts(Role.SHARED, now) and child not in leaving]
    for members, kept in ((ready, 1), (spares(children), limits.spares)):
        idle = [one for one in members if not one.work.running and now - one.work.idle_since > SURPLUS_IDLE]
        leaving += idle[: max(0, len(members) - kept)]
    return leaving


def have_rested(children: Collection[Child], now: float) -> bool:
    """Whether there are some, all ready and without an attempt for so long that one that waits would be claimed."""
    idle = [one for one in children if one.start.ready_at and not one.work.running]
    return 0 < len(children) == len(idle) and all(now - one.work.idle_since > REST for one in idle)
