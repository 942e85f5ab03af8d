"""How one task will run, and what runs after it: what goes into the journal for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from outlast.errors import NotStorable, OptionError
from outlast.events import requests
from outlast.events import sequels as words
from outlast.functions.attributes import value_at
from outlast.functions.functions import TaskFunction, options_of
from outlast.functions.names import shown
from outlast.functions.stashes import held_among
from outlast.tasks.limits import NO_LIMITS, keyed, with_key
from outlast.tasks.options import refuse_if_it_never_begins, with_options
from outlast.tasks.sequel import MOST_IN_LINE, Gets
from outlast.tasks.task import NO_OPTIONS, NO_SEQUELS, Call, Lane, NewTask, Sequel, State, TaskOptions
from outlast.text import MOST_REASON, in_one_line, one_line
from outlast.web.background import StandIn, functions_in

NOTHING_SAID: Mapping[str, Any] = {}
_TAKEN = {Gets.NOTHING: 0, Gets.RESULT: 1, Gets.RESULTS: 1, Gets.FAILURE: 2}  # arguments
Describe = Callable[..., TaskFunction]
"""Called with the function of a task, and behind it those that are passed to it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`arguments` is None for a task that cannot travel; `reason` says why its lane is `inline`.

    takes: the parameters of its function.
    stashed: the names of files that its arguments are, or have in them. calls: its function, and those passed to it.
    """

    function: str
    arguments: str | None
    lane: Lane
    reason: str = ""
    options: TaskOptions = NO_OPTIONS
    code: str = ""
    takes: Collection[str] = ()
    sequels: tuple[PlannedSequel, ...] = ()
    stashed: tuple[str, ...] = ()
    calls: Sequence[Callable[..., Any]] = ()

    @property
    def is_inline(self) -> bool:
        """Whether it runs in the web worker."""
        return self.lane is Lane.INLINE

    @property
    def functions(self) -> Sequence[Callable[..., Any]]:
        """What it calls, and all that runs after it."""
        if not self.sequels:
            return self.calls
        return [*self.calls, *(function for one in self.sequels for function in one.plan.functions)]

    def with_options(self, given: Mapping[str, Any]) -> Plan:
        """The same task, with what is said of this one of its function. Raises OptionError."""
        options = with_options(self.options, given) if given else self.options
        refuse_if_it_never_begins(options)
        if not given:
            return self
        by = options.limits.by
        if by and self.arguments and by.partition(".")[0] not in self.takes:
            raise OptionError(f"option 'limit_by' is {by!r}, but {self.function} has no such parameter")
        return replace(self, options=options)

    def limited(self, given: Callable[[], Mapping[str, Any]] | None = None) -> Plan:
        """The same task, with the value that its limits are of: of its arguments, or of those `given` by parameter,
        who is asked only for an attribute of one.

        Raises OptionError for an attribute that one of these has not.
        """
        limits = self.options.limits
        if not limits.by:
            return self
        if given is not None and "." in limits.by:
            limits = keyed(limits, value_at(limits.by, given(), self.function))
        else:
            limits = with_key(limits, self.arguments)
        return replace(self, options=replace(self.options, limits=limits))

    def as_record(self) -> Plan:
        """The same task, as it would have run, whatever others there are."""
        return replace(self, options=replace(self.options, key=None, limits=NO_LIMITS))

    def why_nothing_flows(self, max_result: int) -> str:
        """Why nothing of what it returns can be given to what runs after it; empty where that is not asked for."""
        if max_result or all(one.gets in (Gets.NOTHING, Gets.FAILURE) for one in self.sequels):
            return next(filter(None, (one.plan.why_nothing_flows(max_result) for one in self.sequels)), "")
        return requests.NOTHING_FLOWS

    def inline(self, reason: str) -> Plan:
        """The same task, run in the web worker, and nothing after it."""
        reason += requests.SEQUELS_LOST if self.sequels else ""
        return replace(self, arguments=None, lane=Lane.INLINE, reason=reason, options=NO_OPTIONS, sequels=())

    def task(self, number: int, state: State, origin: str, follows: int | None, context: str | None) -> NewTask:
        """What goes into the journal, for now."""
        what, now, about = (self.function, self.arguments, self.lane), time.time(), (self.options, self.code, context)
        return NewTask(number, *what, state, now, origin, follows, *about, stashed=self.stashed)


@dataclass(frozen=True, slots=True)
class PlannedSequel:
    """A task that runs after it. See `outlast.tasks.task.Sequel`."""

    plan: Plan
    gets: Gets
    parameters: tuple[str, ...]
    call: Call


def plan(task: StandIn, describe: Describe, given: Mapping[str, Any] = NOTHING_SAID) -> Plan:
    """With the options `given` for this task. Raises NotStorable for what cannot travel, and OptionError."""
    if task.original is not None:
        raise NotStorable(
            f"{shown(task.original)} says itself what calling it means, so it cannot be stored: "
            "pass a function and its arguments to add_task instead"
        )
    return plan_call(Call(task.func, task.args, task.kwargs, given), describe)


def plan_call(call: Call, describe: Describe) -> Plan:
    """The same of a call that is made alone."""
    calls, stashed = functions_in(call.function, call.args, call.kwargs), held_among(call.args, call.kwargs)
    known = describe(*calls)
    if known.inline_reason:
        reason = known.inline_reason + _lost(with_options(known.options, call.given))
        return Plan(known.path, None, Lane.INLINE, reason, stashed=stashed, calls=calls)
    arguments = known.codec.encode(call.args, call.kwargs)
    planned = _described(known, arguments, stashed, calls).with_options(call.given)
    if planned.options.limits.by:
        planned = planned.limited(lambda: known.codec.parameters.all_given(call.args, call.kwargs) if arguments else {})
    if planned.options.sequels is NO_SEQUELS:
        return planned
    list(calls_in(call))  # raises
    whole = _with_sequels(planned, describe)
    refuse_same_key(whole)
    return whole


def _lost(options: TaskOptions) -> str:
    """What does not hold of them where a task runs inline."""
    lost = requests.OPTIONS_LOST if replace(options, sequels=NO_SEQUELS) != NO_OPTIONS else ""
    return lost + (requests.SEQUELS_LOST if options.sequels is not NO_SEQUELS else "")


def calls_in(call: Call) -> Iterator[Call]:
    """It and those that run after it, as the calls and their functions say. Raises OptionError at last if too many."""
    level = [call]
    for _ in range(MOST_IN_LINE):
        yield from level
        said = (with_options(options_of(one.function).get("options", NO_OPTIONS), one.given).sequels for one in level)
        after = (one for sequels in said if sequels is not NO_SEQUELS for one in (sequels.then, sequels.on_failure))
        level = list({id(one): one for one in after if one is not None}.values())
        if not level:
            return
    raise OptionError(words.too_many(MOST_IN_LINE))


def _described(
    known: TaskFunction, arguments: str, stashed: tuple[str, ...], calls: Sequence[Callable[..., Any]]
) -> Plan:
    about = known.options, known.code, known.codec.hints
    return Plan(known.path, arguments, known.lane, "", *about, (), stashed, calls)


def plan_sequel(call: Call, gets: Gets, describe: Describe) -> PlannedSequel:
    """How a call will run that runs after another task and `gets` that of it. Raises NotStorable and OptionError."""
    calls, stashed = functions_in(call.function, call.args, call.kwargs), held_among(call.args, call.kwargs)
    known = describe(*calls)
    if known.inline_reason:
        raise NotStorable(known.inline_reason)
    if not call.takes and gets is not Gets.FAILURE:
        gets = Gets.NOTHING
    rest = known.codec.rest.behind(_TAKEN[gets] if call.takes else 0)
    arguments = rest.codec.encode(call.args, call.kwargs)
    planned = _described(known, arguments, stashed, calls).with_options(call.given).limited()
    return PlannedSequel(_with_sequels(planned, describe), gets, rest.first, call)


def _with_sequels(planned: Plan, describe: Describe) -> Plan:
    asked = planned.options.sequels
    wanted = ((asked.then, Gets.RESULT), (asked.on_failure, Gets.FAILURE))
    return replace(planned, sequels=tuple(plan_sequel(call, gets, describe) for call, gets in wanted if call))


def refuse_same_key(planned: Plan, before: frozenset[tuple[str, str]] = frozenset()) -> None:
    """Raises OptionError where one is to run after another of its function and key, which would stand for both."""
    key = planned.options.key
    if key is not None and (planned.function, key) in before:
        raise OptionError(words.same_key(planned.function, key))
    for one in planned.sequels:
        refuse_same_key(one.plan, before if key is None else before | {(planned.function, key)})


def plan_or_inline(task: StandIn, describe: Describe) -> Plan:
    """The same for a task that nobody promised to store: what cannot travel runs inline."""
    try:
        return plan(task, describe)
    except (NotStorable, OptionError) as error:
        reason = one_line(str(error), MOST_REASON) + _lost(options_of(task.func).get("options", NO_OPTIONS))
    except Exception as error:  # noqa: BLE001 - an object of the user's, which may raise anything when it is looked at
        reason = f"looking at it raised {in_one_line(error)}"
    return Plan(shown(task.func), None, Lane.INLINE, reason, stashed=task.stashed)


def with_what_follows(task: NewTask, sequels: Sequence[PlannedSequel], next_id: Callable[[], int]) -> NewTask:
    """A task with all that runs after it, under ids of its own, of the same request."""
    if not sequels:
        return task
    return task._replace(sequels=tuple(sequel_of(one, [task.id], task, next_id) for one in sequels))


def sequel_of(planned: PlannedSequel, before: Sequence[int], like: NewTask, next_id: Callable[[], int]) -> Sequel:
    """What goes into the journal for one that runs after these, of the same request as `like`."""
    task = planned.plan.task(next_id(), State.WAITING, like.origin, None, like.context)
    whole = with_what_follows(task, planned.plan.sequels, next_id)
    return Sequel(whole, tuple(before), planned.gets, planned.parameters, planned.call)


def order_warning(plans: Sequence[Plan]) -> str:
    """What is said once for a response with tasks of both kinds; empty when there is nothing to say."""
    inline = [one.function for one in plans if one.is_inline]
    if not inline or len(inline) == len(plans):
        return ""
    return requests.mixed(inline)
