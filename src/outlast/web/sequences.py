"""Tasks that are asked for together: one after the other, or side by side and then one that gets what they returned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace

from outlast.errors import OptionError
from outlast.events import sequels as words
from outlast.tasks.sequel import MOST_IN_LINE, Gets
from outlast.tasks.task import Call, NewTask
from outlast.web.background import StandIn, functions_in
from outlast.web.plan import (
    Describe,
    Plan,
    PlannedSequel,
    calls_in,
    plan_call,
    plan_sequel,
    refuse_same_key,
    sequel_of,
)

Made = Callable[[Plan], NewTask]
"""Makes what goes into the journal of a plan, and of all that runs after it."""


class Sequence(ABC):
    """Calls, of which the last gives the result of all.

    functions: all that they call, and what runs after them. Raises OptionError for what is no call, or has no end.
    """

    def __init__(self, *calls: Call) -> None:
        for one in calls:
            if not isinstance(one, Call):
                raise OptionError(words.no_call(one))
        self.calls = calls
        called = (one for call in calls for one in calls_in(call))
        self.functions = [function for one in called for function in functions_in(one.function, one.args, one.kwargs)]

    @property
    @abstractmethod
    def first(self) -> list[StandIn]:
        """Those that wait for none of the others."""

    @abstractmethod
    def tasks(self, describe: Describe, made: Made, next_id: Callable[[], int]) -> tuple[list[NewTask], list[int]]:
        """What is stored, and the ids of the calls. Raises NotStorable or OptionError."""


class Chain(Sequence):
    """One after the other; each gets what the one before has returned."""

    @property
    def first(self) -> list[StandIn]:
        """One."""
        return [_stand_in(self.calls[0])]

    def tasks(self, describe: Describe, made: Made, next_id: Callable[[], int]) -> tuple[list[NewTask], list[int]]:  # noqa: ARG002
        first, *others = self.calls
        if len(others) >= MOST_IN_LINE:
            raise OptionError(words.too_many(MOST_IN_LINE))
        behind: tuple[PlannedSequel, ...] = ()
        for call in reversed(others):
            behind = (_followed(plan_sequel(call, Gets.RESULT, describe), behind),)
        head = plan_call(first, describe)
        if behind:
            head = replace(head, sequels=(*head.sequels, *behind))
            refuse_same_key(head)
        task = made(head)
        return [task], list(_ids_along(task, len(others)))


class Group(Sequence):
    """Side by side; the last one when all are done."""

    @property
    def first(self) -> list[StandIn]:
        """All but one."""
        return [*map(_stand_in, self.calls[:-1])]

    def tasks(self, describe: Describe, made: Made, next_id: Callable[[], int]) -> tuple[list[NewTask], list[int]]:
        *members, last = self.calls
        callback = plan_sequel(last, Gets.RESULTS, describe)
        plans = [plan_call(one, describe) for one in members]
        for one in plans:
            refuse_same_key(replace(one, sequels=(callback,)))
        tasks = [made(one) for one in plans]
        ids = [one.id for one in tasks]
        sequel = sequel_of(callback, ids, tasks[0], next_id)
        tasks[0] = tasks[0]._replace(sequels=(*tasks[0].sequels, sequel))
        return tasks, [*ids, sequel.task.id]


def _stand_in(call: Call) -> StandIn:
    """A call as one that is made alone."""
    return StandIn(call.function, *call.args, **call.kwargs)


def _followed(one: PlannedSequel, behind: tuple[PlannedSequel, ...]) -> PlannedSequel:
    return replace(one, plan=replace(one.plan, sequels=(*one.plan.sequels, *behind)))


def _ids_along(task: NewTask, more: int) -> Iterator[int]:
    yield task.id
    for _ in range(more):
        task = task.sequels[-1].task
        yield task.id
