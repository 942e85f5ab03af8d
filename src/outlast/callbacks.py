"""What an app wants to be told of the ends of its tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from outlast.process import this
from outlast.tasks import FINISHED, State


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How a task has ended for good.

    id: as `outlast show` takes it. function: its `module:name`. state: `done`, `failed`, `cancelled` or `dropped`.
    attempt: the number of the last one, 0 if it never ran. lane: `loop`, `thread` or `inline`. reason: one sentence, or
    empty. traceback: of the exception, or the stack of the crash, or empty. ended_at: seconds since the epoch.
    exception: what was raised, in the process in which it was raised; else None.
    """

    id: str
    function: str
    state: str
    attempt: int
    lane: str
    reason: str
    traceback: str
    ended_at: float
    exception: BaseException | None = None
    number: int = field(default=0, repr=False)


Callback = Callable[[TaskEnd], Awaitable[object] | object]
C = TypeVar("C", bound=Callback)


def on_end(callback: C) -> C:
    """Have `callback` called with the end (`TaskEnd`) of each task, at least once; also as a decorator.

    Say it where the app's module is imported. It is called in a task process, an `async def` on its event loop, any
    other in a thread, one after the other, once the end is in the journal; also for an end that no code could see, such
    as a crash, and by the next task process if this one dies. What it raises is logged and changes nothing. Returns
    `callback`.
    """
    _register(callback, FINISHED)
    return callback


def on_failure(callback: C) -> C:
    """The same for tasks that have failed: raised, taken too long, crashed for the last time."""
    _register(callback, frozenset({State.FAILED}))
    return callback


def wanted_states() -> frozenset[State]:
    """In which a task has to end for a callback of this process to be told."""
    return frozenset().union(*(states for _, states in this.callbacks))


def callbacks_for(end: TaskEnd) -> list[Callback]:
    """Those that are told of it, in the order in which they were registered."""
    return [callback for callback, states in this.callbacks if any(one.label == end.state for one in states)]


def _register(callback: Callback, states: frozenset[State]) -> None:
    """A module that is imported under two names says everything twice."""
    place = _place(callback)
    this.callbacks = [one for one in this.callbacks if _place(one[0]) != place or one[1] != states]
    this.callbacks.append((callback, states))


def _place(callback: Callback) -> object:
    code = getattr(callback, "__code__", None)
    if code is None or "<locals>" in code.co_qualname:
        return callback
    return code.co_filename, code.co_firstlineno, code.co_qualname
