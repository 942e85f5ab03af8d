"""What an app wants to be told of the ends of its tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from outlast.errors import OptionError
from outlast.system.process import this
from outlast.tasks.task import FINISHED, State


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How a task has ended for good.

    id: as `outlast show` takes it. function: its `module:name`. state: `done`, `failed`, `cancelled` or `dropped`.
    attempt: the number of the last one, 0 if it never ran. lane: `loop`, `thread` or `inline`. reason: one sentence, or
    empty. traceback: of the exception, or the stack of the crash, or empty. ended_at: seconds since the epoch.
    exception: what was raised, in the process in which it was raised; else None. queue: empty where it was in none.
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
    queue: str = ""
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
    return frozenset().union(*(states for _, states in this.apps.callbacks))


def callbacks_for(end: TaskEnd) -> list[Callback]:
    """Those that are told of it, in the order in which they were registered."""
    return [callback for callback, states in this.apps.callbacks if any(one.label == end.state for one in states)]


def _register(callback: Callback, states: frozenset[State]) -> None:
    """A module that is imported under two names says everything twice. Raises OptionError for what is no function."""
    if not callable(callback):
        raise OptionError(f"{callback!r:.100} cannot be told of the ends of tasks: give a function of one parameter")
    place = place_of(callback)
    this.apps.callbacks = [one for one in this.apps.callbacks if place_of(one[0]) != place or one[1] != states]
    this.apps.callbacks.append((callback, states))


def place_of(callback: Callable[..., object]) -> object:
    """What is the same of a function that is defined again, where its module is imported under another name."""
    code = getattr(callback, "__code__", None)
    if code is None or "<locals>" in code.co_qualname:
        return callback
    return code.co_filename, code.co_firstlineno, code.co_qualname
