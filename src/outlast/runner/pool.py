"""One deployment that tasks run in: its task processes, and the attempts that are theirs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from outlast.events.event import Once
from outlast.runner import deadlines
from outlast.runner.crew import Crew, in_role
from outlast.runner.dispatch import Dispatch
from outlast.runner.ledger import Ledger
from outlast.runner.scaling import Counts, Role
from outlast.runner.setbacks import Setbacks
from outlast.runner.starter import Enrolment
from outlast.system.deployment import Deployment
from outlast.tasks.outcome import Cut
from outlast.tasks.task import Claimed, Lane

STEP = 0.05  # seconds between looks at what has to stop

MOST_REMARKS = 1000  # of task processes, each said once


class Pool:
    """`lost_at`: when its last web worker has gone (monotonic), None while one is there.

    is_of_script: whether no server but a script has told how its task processes start.
    """

    def __init__(self, deployment: Deployment, enrolment: Enrolment, ledger: Ledger) -> None:
        self.deployment = deployment
        self.lost_at: float | None = None
        self.is_of_script = False
        self.crew = Crew(enrolment, Setbacks(ledger))
        self.dispatch = Dispatch(ledger)
        self.remarks = Once(MOST_REMARKS)
        self._next_enforcement = 0.0

    @property
    def has_environment(self) -> bool:
        """Whether it is known where and how children start."""
        return self.crew.generation is not None

    @property
    def is_alive(self) -> bool:
        """Whether its tasks run here."""
        return self.lost_at is None and self.has_environment

    @property
    def running(self) -> int:
        """How many attempts are in a process, or will be as soon as one takes them."""
        return sum(len(child.work.running) for child in self.crew.children) + len(self.dispatch.queue.ready)

    @property
    def in_hand(self) -> list[Claimed]:
        """The attempts that are claimed and not settled."""
        return [*(one for child in self.crew.children for one in child.work.attempts), *self.dispatch.queue.all]

    @property
    def attentive(self) -> bool:
        """Whether an attempt has to be stopped, or may have to be soon."""
        return any(child.parting.hung_up_at or child.work.has_to_be_watched for child in self.crew.children)

    def free(self, lane: Lane, now: float) -> int:
        """How many attempts of `lane` can be handed over now; in lane `alone`, how many groups."""
        crew, queue = self.crew, self.dispatch.queue
        if lane is not Lane.ALONE:
            return max(0, sum(child.free(lane) for child in crew.ready(Role.SHARED, now)) - queue.lanes[lane])
        room = crew.limits.alone - len(in_role(crew.children, Role.ALONE)) if self.has_environment else 0
        return max(0, min(room, len(crew.ready(Role.SPARE, now))))

    def hand_over(self, claims: Collection[Claimed], now: float) -> None:
        """Give each attempt to the child that has most room for it, those behind others when these have ended."""
        self.dispatch.line_up(claims)
        self.pass_on(now)

    def pass_on(self, now: float) -> None:
        """Let those begin whose turn it is, as far as there is room."""
        if self.dispatch.queue.ready:
            self.dispatch.pass_on(self.crew.ready(Role.SHARED, now), now)

    def set_apart(self, group: Sequence[Claimed], now: float) -> None:
        """Give attempts a process with nothing else in it."""
        child = self.crew.ready(Role.SPARE, now)[0]
        child.role = Role.ALONE
        self.crew.is_restless = True
        if not child.hand_over(group, now):
            for attempt in group:
                self.dispatch.end(attempt, Cut("its process had died before it began"))

    def enforce(self, now: float) -> None:
        """Stop what has taken too long, was cancelled, or blocks its loop for too long."""
        if now < self._next_enforcement:
            return
        self._next_enforcement = now + STEP
        for child in self.crew.children:
            for attempt, happening in deadlines.enforce(child, now):
                self.dispatch.end(attempt, happening)
        self.crew.setbacks.look(self.crew.children, now)

    def cancel(self, tasks: Collection[int], now: float) -> None:
        """Stop these, wherever they run."""
        for child in self.crew.children:
            deadlines.cancel(child, tasks, now)
        self.dispatch.cancel(tasks)

    def keep(self, now: float, lanes_waiting: Collection[Lane], others: Counts) -> None:
        """Have as many children as are needed and may be beside those of `others`; pass on what came back."""
        if self.has_environment:
            self.crew.keep(now, lanes_waiting, self.dispatch.queue.lanes, others)
            self.pass_on(now)

    def let_go(self, why: str) -> None:
        """Let all leave, and first what runs in them: it is cut, and nobody is to blame."""
        self.dispatch.let_go(why)
        self.crew.let_go(self.crew.children, why)

    def kill(self, why: str) -> None:
        """The same at once."""
        self.crew.children += self.crew.starter.end()
        self.let_go(why)
        for child in self.crew.children:
            child.end(why)
