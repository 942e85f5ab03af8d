"""What is known in a task process of each attempt that is here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from outlast.tasks.attempt import Attempt
from outlast.tasks.outcome import RETURNED, Cut, Raised, Returned
from outlast.tasks.policy import FailurePolicy
from outlast.tasks.task import Lane
from outlast.watch.flights import InFlight


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the runner handed over. `memory` is how many bytes it may take, `context` is empty where there is none.

    policy, retried: what is to become of it if it fails, and how often it has been tried again. checkpoint: where an
    attempt before has come to, as JSON, empty if it has not said so. queue: empty for none.
    """

    attempt: Attempt
    arguments: str
    lane: str
    memory: int | None
    policy: FailurePolicy
    retried: int
    context: str
    checkpoint: str = ""
    queue: str = ""

    @classmethod
    def read(cls, task: list[Any]) -> Assignment:
        """From the runner's message: see `outlast.wire.handover.attempts_in`."""
        number, attempt, function, lane, memory, policy, retried, arguments, context, *more = task
        known = Attempt(number, attempt, function)
        return cls(known, arguments, lane, memory, FailurePolicy.read(policy), retried, context, *more)


@dataclass(slots=True, eq=False)
class Run:
    """An attempt from its arrival to its end.

    flight: what the watch sees of it, once it has begun. task: of the event loop, if it runs there. opening: what opens
    the dependencies of a `def` there, while it does.
    is_stopped: the runner has told it to stop.
    returned: what it has returned, once it has.
    disturbed: what has come over it on an event loop that it shares: code of its own has ended the loop, or somebody
    else than its own code and the runner has cancelled it.
    """

    given: Assignment
    flight: InFlight | None = None
    task: asyncio.Task[None] | None = None
    opening: asyncio.Task[None] | None = None
    is_stopped: bool = False
    returned: Returned = RETURNED
    disturbed: Raised | Cut | None = None
    _claim: Lock = field(default_factory=Lock)

    @property
    def id(self) -> int:
        """The task's."""
        return self.given.attempt.task_id

    @property
    def is_for_thread(self) -> bool:
        """Whether it is a plain function, for one of the threads; else it is for the event loop."""
        return self.given.lane == Lane.THREAD

    @property
    def was_told_to_stop(self) -> bool:
        """Whether the runner wants it to end: by a message, or by an interrupt."""
        return self.is_stopped or self.given.attempt.stopping

    def claim(self) -> bool:
        """Whether it is the caller's, who begins it or gives it back; once only. From any thread."""
        return self._claim.acquire(blocking=False)

    def in_other_lane(self) -> Run:
        """The same attempt, as it arrives where it belongs: it has not begun."""
        return Run(replace(self.given, lane=Lane.LOOP if self.is_for_thread else Lane.THREAD))
