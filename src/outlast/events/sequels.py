"""The words for tasks that run after others."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence

from outlast.events import words
from outlast.events.words import an
from outlast.ids import shown
from outlast.text import MOST_NAME, one_line

DELETED = "it was deleted"
NOT_NEEDED = "what it was for has not failed again"
UNREADABLE = "what it was to get cannot be read: it is nothing that outlast has stored"
MOST_NAMED = 3  # tasks
MOST_WHY = 300  # characters of the reason of another task
_HAS = {"done": "is done", "failed": "has failed", "cancelled": "was cancelled", "dropped": "was dropped"}


def waits_for(tasks: Sequence[int], *, is_for_failure: bool) -> str:
    """Why it waits: these have to end before."""
    named = ", ".join(map(shown, tasks[:MOST_NAMED]))
    more = f" and {len(tasks) - MOST_NAMED} more" if len(tasks) > MOST_NAMED else ""
    which = f"{'task' if len(tasks) == 1 else words.tasks(len(tasks))} {named}{more}"
    return f"runs if {which} fails" if is_for_failure else f"waits for {which}"


def given_up(task: int, function: str, state: str, reason: str) -> str:
    """Why it does not run: that task has ended so."""
    name = f" ({one_line(function, MOST_NAME)})" if function else ""
    why = f": {one_line(reason, MOST_WHY)}" if reason else ""
    if state == "done":
        return f"it was to get what task {shown(task)}{name} has returned{why}"
    return f"it was to run after task {shown(task)}{name}, which {_HAS.get(state, 'has ended')}{why}"


def too_many(most: int) -> str:
    return (
        f"more than {most} tasks would run one after the other; what runs after a task is stored with it, so that it "
        "cannot come back to itself: let the last one add the next"
    )


def no_call(given: object) -> str:
    """Of what stands where a call has to."""
    if isinstance(given, list | tuple | set | Iterator):
        kind = an(type(given).__name__)
        return f"calls are given one by one, not as {kind}: write chain(*calls), or group(*calls, then=...)"
    what = one_line(repr(given), MOST_NAME)
    if isinstance(given, Coroutine):
        given.close()
        return (
            f"{what} is no call, but what one gave: write function.s(...). Neither a chain nor a group is part of "
            "another: give the last call of the one options(then=...)"
        )
    return f"{what} is no call: write function.s(...), or outlast.s(function, ...)"


def same_key(function: str, key: str) -> str:
    return (
        f"{one_line(function, MOST_NAME)} would run after itself with the key {key!r}, which one task has at a time: "
        "only the first would run. Give each call a key of its own, or .options(key=None)"
    )


def too_large(most: int) -> str:
    return f"what it was to get is more than {most >> 10} KiB of JSON with its arguments: return keys or paths instead"
