"""Letting the tasks of a test run that were kept for it: each when its time has come, as the test's clock has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from math import inf

from outlast.events.endings import EXPIRED
from outlast.system.process import now, this
from outlast.web import rehearsal
from outlast.web.background import StandIn
from outlast.web.parts import part_of

A_MINUTE = 60.0
MOST_RUNS = 1000  # of one task in one go: it would go on for ever
Failure = Exception | SystemExit
Until = float | Callable[[], object] | None
"""A moment, in seconds since the epoch, up to which the clock goes on; or what is asked before each task: whether that
is enough. None: the clock stays where it is."""


def taken(until: Until = inf) -> Iterator[StandIn]:
    """Those that were kept to be run, one after the other, with those that come meanwhile.

    Raises RuntimeError for one that wants to run again and again.
    """
    runs: Counter[int] = Counter()
    last = inf if callable(until) else now() if until is None else until
    while not (callable(until) and until()) and (task := _next(last)) is not None:
        runs[task.number] += 1
        if runs[task.number] > MOST_RUNS:
            raise RuntimeError(f"{task.func!r} has wanted to run again {MOST_RUNS} times")
        yield task
    if not callable(until) and last < inf:
        _go_on_to(last)


def failure_of(task: StandIn) -> Failure | None:
    """Run one that was kept; returns what it raised, if it has failed by that for good."""
    try:
        attempt = rehearsal.begun(task)
        with task.in_its_scene():
            rehearsal.returned(task, attempt.run_blocking())
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the user's code; its test is told
        return error if rehearsal.raised(task, error) else None
    return None


async def failure_of_awaited(task: StandIn) -> Failure | None:
    """The same on an event loop."""
    try:
        attempt = rehearsal.begun(task)
        with task.in_its_scene():
            rehearsal.returned(task, await attempt.run_recorded())
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the user's code; its test is told
        return error if rehearsal.raised(task, error) else None
    return None


def _next(last: float) -> StandIn | None:
    """The first that may begin, now or when the clock has gone on, but not beyond `last`; it is kept no more."""
    _drop_expired()
    ready, time = [task for task in this.rehearsal.collected if not _waits_for_another(task)], now()
    first: StandIn | None = min(ready, key=lambda task: (max(_due(task), time), _place(task)), default=None)
    if first is None or _due(first) > max(last, time):
        return None
    _go_on_to(_due(first))
    this.rehearsal.collected = [task for task in this.rehearsal.collected if task is not first]
    if _has_expired(first):
        rehearsal.drop(first.number, EXPIRED)
        return _next(last)
    return first


def _go_on_to(moment: float) -> None:
    this.rehearsal.ahead += max(0.0, moment - now())


def _due(task: StandIn) -> float:
    part = part_of(task.number)
    return part.due if part is not None else 0.0


def _place(task: StandIn) -> float:
    """In line: `priority` minutes ahead of what may begin at the same time."""
    part = part_of(task.number)
    return _due(task) - A_MINUTE * part.task.options.priority if part is not None else 0.0


def _waits_for_another(task: StandIn) -> bool:
    """Whether it is behind another one of its response, which has not ended for good."""
    part = part_of(task.number)
    before = part_of(part.task.follows) if part is not None and part.task.follows is not None else None
    return before is not None and not before.has_ended


def _drop_expired() -> None:
    for task in [one for one in this.rehearsal.collected if _has_expired(one)]:
        rehearsal.drop(task.number, EXPIRED)


def _has_expired(task: StandIn) -> bool:
    part = part_of(task.number)
    if part is None or part.expires_at is None or part.standing.record.attempt:
        return False
    return now() >= part.expires_at
