"""One attempt: find the function, read its arguments, run it, say how it ended."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from outlast import events
from outlast.attempt import Attempt, Stopped, running_attempt
from outlast.child import sentences
from outlast.child.code import Call, FoundFunctions, NotKnown
from outlast.child.memory import LimitedMemory, raise_in_thread, raise_on_loop
from outlast.child.outbox import Outbox
from outlast.functions import is_async
from outlast.logs.ends import fields, tell_end
from outlast.names import left_undone
from outlast.orders import Token
from outlast.tasks import Lane, State
from outlast.text import is_a, log_exception, said_by, traceback_of, with_type

log = logging.getLogger("outlast")


@dataclass(slots=True)
class Disturbance:
    """What has come over an attempt on an event loop that it shares with others.

    exit: reason and traceback, when code of its own has ended the loop. cut: who has cancelled it, other than its own
    code and the runner.
    """

    exit: tuple[str, str] | None = None
    cut: str = ""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the runner handed over. `memory` is how many bytes it may take, `context` is empty where there is none."""

    attempt: Attempt
    arguments: str
    lane: str
    memory: int | None
    context: str

    @classmethod
    def read(cls, task: list[Any]) -> Assignment:
        """From the runner's message: [id, attempt, function, lane, memory, arguments, context]."""
        number, attempt, function, lane, memory, arguments, context = task
        return cls(Attempt(number, attempt, function), arguments, lane, memory, context)

    @property
    def id(self) -> int:
        """The task's."""
        return self.attempt.task

    @property
    def about(self) -> dict[str, object]:
        """The fields of what is logged of its end."""
        return fields(self.attempt.task, self.attempt.function, self.attempt.number, self.lane)

    @property
    def token(self) -> Token:
        """Of this attempt and no other."""
        return self.attempt.task, self.attempt.number


@dataclass(frozen=True, slots=True)
class OnLoop:
    """How a coroutine hears that it has taken too much memory."""

    given: Assignment
    outbox: Outbox

    def tell(self) -> None:
        """Interrupt it."""
        raise_on_loop(self.given.attempt)

    def forget(self) -> None:
        """It has ended."""
        self.given.attempt.over_limit = False

    def give_up(self) -> None:
        """It does not listen: end its process, in which nothing else is."""
        self.outbox.ended(self.given.id, sentences.ignores_memory_error(self.given.memory or 0))
        self.outbox.close()
        os._exit(0)


@dataclass(frozen=True, slots=True)
class InThread(OnLoop):
    """The same for a `def`. Made in its thread."""

    thread: int = field(default_factory=threading.get_ident)

    def tell(self) -> None:
        """Raise it wherever it is."""
        raise_in_thread(self.thread, MemoryError)

    def forget(self) -> None:
        """Take back what has not been raised."""
        raise_in_thread(self.thread, None)


class OtherLane(Exception):
    """The function has become a coroutine function since its task was stored, or is none any more; nothing has run."""


UNDISTURBED = Disturbance()


async def run_in_loop(
    given: Assignment, functions: FoundFunctions, outbox: Outbox, seen: Disturbance = UNDISTURBED
) -> None:
    """Run an `async def` to its end, on the child's loop. `seen` is what happens to it meanwhile. Raises OtherLane."""
    running_attempt.set(given.attempt)
    try:
        function, args, kwargs = _prepared(given, functions)
        with LimitedMemory(given.memory, OnLoop(given, outbox)):
            await function(*args, **kwargs)
    except OtherLane:
        raise
    except NotKnown as error:
        outbox.unknown(given.id, error)
    except BaseException as error:  # noqa: BLE001 - each end of user code is reported, also SystemExit
        given.attempt.over = True
        _end(given, error, seen, outbox)
        if is_a(error, asyncio.CancelledError) and (task := asyncio.current_task()):
            task.uncancel()
    else:
        given.attempt.over = True
        _end(given, None, seen, outbox)


def _end(given: Assignment, error: BaseException | None, seen: Disturbance, outbox: Outbox) -> None:
    if seen.exit is not None:
        outbox.ended(given.id, *seen.exit)
    elif error is None:
        _succeed(given, outbox)
    elif seen.cut and is_a(error, asyncio.CancelledError):
        outbox.cut(given.id, seen.cut)
    else:
        _fail(given, error, outbox)


def run_in_thread(given: Assignment, functions: FoundFunctions, outbox: Outbox) -> None:
    """Run a `def` to its end, in a thread of the pool. Raises OtherLane."""
    running_attempt.set(given.attempt)
    try:
        function, args, kwargs = _prepared(given, functions)
        with LimitedMemory(given.memory, InThread(given, outbox)):
            _refuse_undone(function(*args, **kwargs), function)
    except OtherLane:
        raise
    except NotKnown as error:
        outbox.unknown(given.id, error)
    except BaseException as error:  # noqa: BLE001 - each end of user code is reported, also SystemExit
        _fail(given, error, outbox)
    else:
        _succeed(given, outbox)


def _succeed(given: Assignment, outbox: Outbox) -> None:
    outbox.ended(given.id)
    outbox.saw(given.id, None)
    if log.isEnabledFor(logging.DEBUG):
        with suppress(Exception):  # a handler of the user's: what it raises is not the task's end
            tell_end(State.DONE, "", given.about)


def _fail(given: Assignment, error: BaseException, outbox: Outbox) -> None:
    """Report it, then let the handlers hear of it that the app has put up: Sentry, JSON lines, alerts.

    What an attempt raises because it was told to stop is said by the runner, which knows why.
    """
    outbox.ended(given.id, *_told(error, given.memory))
    if is_a(error, asyncio.CancelledError) or is_a(error, Stopped):
        return
    outbox.saw(given.id, error)
    attempt = given.attempt
    with suppress(Exception):  # as above
        log_exception(log, sentences.failed(attempt.id, attempt.function, attempt.number), error, **given.about)


def _refuse_undone(result: object, function: Callable[..., Any]) -> None:
    """A `def` that only made a coroutine or a generator has done nothing of what was asked."""
    if inspect.iscoroutine(result):
        result.close()
    if inspect.iscoroutine(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise TypeError(left_undone(function, result))


def _prepared(given: Assignment, functions: FoundFunctions) -> Call:
    call = functions.prepared(given.attempt.function, given.arguments)
    if is_async(call[0]) is (given.lane == Lane.THREAD):
        raise OtherLane
    functions.contexts.put_on(given.context)
    return call


def _told(error: BaseException, memory: int | None) -> tuple[str, str]:
    """One line and the traceback from the user's own frame on, without that of run_in_loop or run_in_thread."""
    said = events.out_of_memory(memory) if memory and is_a(error, MemoryError) else said_by(error)
    return with_type(error, said), traceback_of(error, skip=1)
