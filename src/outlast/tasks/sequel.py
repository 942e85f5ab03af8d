"""What runs after other tasks: what it gets of them, and whether it may begin. Pure: evidence in, decision out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from outlast.tasks.redaction import FIELD, RESULT
from outlast.tasks.task import State

MOST_IN_LINE = 100  # tasks, one after the other: each is stored with the one that it runs after
MOST_ARGUMENTS = 1 << 20  # bytes of JSON, of what is given and of what comes to it


class Gets(StrEnum):
    """What a task gets of those that it runs after, in front of its own arguments."""

    NOTHING = "nothing"
    RESULT = "result"  # what the one before it has returned
    RESULTS = "results"  # a list of what each of them has returned
    FAILURE = "failure"  # the id of one that failed, and the reason: it runs only then


class Step(Enum):
    """What becomes of it."""

    WAIT = "wait"
    GO = "go"
    GIVE_UP = "give up"
    FORGET = "forget"  # it was for the case that did not come


@dataclass(frozen=True, slots=True)
class Broken:
    """A task before it that has ended so that it cannot run: not done, or what it needs of it was not kept."""

    id: int
    state: State
    reason: str


def step(gets: Gets, broken: Broken | None, *, is_open: bool) -> Step:
    """`broken`: the first of those before it. is_open: one of them has not ended."""
    if gets is Gets.FAILURE:
        if broken is not None and broken.state in (State.FAILED, State.DROPPED):
            return Step.GO
        return Step.WAIT if is_open else Step.FORGET
    if broken is not None:
        return Step.GIVE_UP
    return Step.WAIT if is_open else Step.GO


def with_results(arguments: str, parameter: str, results: Sequence[str | None], *, as_list: bool) -> str:
    """JSON of arguments, with what was returned as `parameter`: see `outlast.functions.results`; None for None.

    Raises OverflowError for more than MOST_ARGUMENTS, and ValueError, TypeError, LookupError, AttributeError or
    RecursionError for what is no such text.
    """
    given = _object(arguments)
    marks: dict[str, list[list[Any]]] = given.pop(FIELD, {})
    values = []
    for index, text in enumerate(results):
        its: dict[str, Any] = {RESULT: None} if text is None else _object(text)
        values.append(its[RESULT])
        place = [parameter, index] if as_list else [parameter]
        for mark, places in its.get(FIELD, {}).items():
            marks.setdefault(mark, []).extend([*place, *one[1:]] for one in places)
    return _joined({parameter: values if as_list else values[0], **given}, marks)


def with_failure(arguments: str, parameters: Sequence[str], task: str, reason: str) -> str:
    """JSON of arguments, with the id of a task that failed and the reason as the first ones. Raises the same."""
    given = _object(arguments)
    marks = given.pop(FIELD, {})
    return _joined({**given, **dict(zip(parameters, (task, reason), strict=False))}, marks)


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict) or not isinstance(value.get(FIELD, {}), dict):
        raise TypeError("no object with marks")
    return value


def _joined(given: dict[str, Any], marks: dict[str, Any]) -> str:
    text = json.dumps(given | ({FIELD: marks} if marks else {}), separators=(",", ":"), ensure_ascii=False)
    if len(text.encode()) > MOST_ARGUMENTS:
        raise OverflowError("more than the arguments of a task may be")
    return text
