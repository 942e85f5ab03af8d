"""How one task will run: what goes into the journal for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from outlast.errors import NotStorable
from outlast.names import shown
from outlast.request.boxed import BoxedTask
from outlast.request.store import TaskFunction
from outlast.tasks import NO_TERMS, Lane, Terms
from outlast.text import MOST_REASON, in_one_line, one_line

Describe = Callable[..., TaskFunction]
"""Called with the function of a task, and behind it those that are passed to it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`arguments` is None for a task that cannot travel; `reason` says why its lane is `inline`."""

    function: str
    arguments: str | None
    lane: Lane
    reason: str = ""
    terms: Terms = NO_TERMS
    code: str = ""

    @property
    def is_inline(self) -> bool:
        """Whether it runs in the web worker."""
        return self.lane is Lane.INLINE

    def inline(self, reason: str) -> Plan:
        """The same task, run in the web worker."""
        return replace(self, arguments=None, lane=Lane.INLINE, reason=reason, terms=NO_TERMS)


def plan(task: BoxedTask, describe: Describe) -> Plan:
    """Raises NotStorable for what cannot travel to another process."""
    if task.original is not None:
        raise NotStorable(
            f"{shown(task.original)} says itself what calling it means, so it cannot be stored: "
            "pass a function and its arguments to add_task instead"
        )
    known = describe(task.func, *task.passed)
    if known.inline_reason:
        return Plan(known.path, None, Lane.INLINE, known.inline_reason)
    arguments = known.codec.encode(task.args, task.kwargs)
    return Plan(known.path, arguments, known.lane, terms=known.terms, code=known.code)


def plan_or_inline(task: BoxedTask, describe: Describe) -> Plan:
    """The same for a task that nobody promised to store: what cannot travel runs inline."""
    try:
        return plan(task, describe)
    except NotStorable as error:
        return Plan(shown(task.func), None, Lane.INLINE, one_line(str(error), MOST_REASON))
    except Exception as error:  # noqa: BLE001 - an object of the user's, which may raise anything when it is looked at
        return Plan(shown(task.func), None, Lane.INLINE, f"looking at it raised {in_one_line(error)}")


def inline_warning(planned: Plan) -> str:
    """What is said once for a call site whose tasks run inline."""
    where = "runs inline, in the web worker, and is lost when that dies"
    return f"task {planned.function} {where}: {planned.reason}"


def order_warning(plans: Sequence[Plan]) -> str:
    """What is said once for a response with tasks of both kinds; empty when there is nothing to say."""
    inline = [one.function for one in plans if one.is_inline]
    if not inline or len(inline) == len(plans):
        return ""
    return (
        f"among the tasks of this response, these run inline, in the web worker: {', '.join(inline)}; "
        "the order they were added in holds among those and among the others, not between the two"
    )
