"""What `add_task` and `enqueue` give back."""

from __future__ import annotations

import asyncio
import time
import typing
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, cast

from outlast.errors import OptionError, TaskFailed, TaskNotFound
from outlast.ids import shown
from outlast.journal.contract import Cancel
from outlast.journal.read import Standing, TaskRecord
from outlast.tasks.policy import MOST_DELAY
from outlast.tasks.task import State
from outlast.web.journal import Asked, Journal
from outlast.web.lookout import Question

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T_co = TypeVar("T_co", covariant=True, default=Any)
else:
    T_co = typing.TypeVar("T_co", covariant=True)


Timeout = float | timedelta | None


class Sought(Protocol):
    """A task that somebody asked for, as far as it is known by now. See `Handle`."""

    @property
    def number(self) -> int: ...

    @property
    def is_new(self) -> bool | None: ...

    def withdraw(self) -> bool:
        """Give it up if it is not on its way to the journal yet; whether that was so."""
        ...

    async def stored(self) -> None: ...


class Known(ABC):
    """What is known by the id of a task."""

    __slots__ = ()

    @property
    @abstractmethod
    def number(self) -> int:
        """Its id in the journal."""

    @property
    def id(self) -> str:
        """The id as people see it and as the command line takes it."""
        return shown(self.number)

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Known) and self.number == other.number

    def __hash__(self) -> int:
        return hash(self.number)


class Handle(Known, Generic[T_co]):
    """A task that was asked for, whose function returns that type."""

    __slots__ = ("__weakref__", "_journal", "_outcomes", "_task")  # FastAPI would send what `vars` finds

    def __init__(self, task: int | Sought, journal: Journal) -> None:
        self._task: Sought = Asked(task, is_new=False) if isinstance(task, int) else task
        self._journal = journal
        self._outcomes = journal.outcomes(journal.app)

    @property
    def number(self) -> int:
        """Its id in the journal."""
        return self._task.number

    @property
    def is_new(self) -> bool | None:
        """False when there was a task with the same `key` already, which this is a handle of.

        None as long as that is not known: of `add_task` until `await handle.stored()`, or until the response starts.
        """
        return self._task.is_new

    async def stored(self) -> Handle[T_co]:
        """Wait until it is in the journal, and known whether it is new, now instead of when the response starts.

        It runs after the response all the same, or is dropped with it. Returns itself. Raises StoreFailed or
        JournalUnusable.
        """
        await self._task.stored()
        return self

    async def ticket(self) -> str:
        """The id by which a user of the app may ask for it at `outlast.router()`: nobody guesses it.

        Raises TaskNotFound when there is no journal yet, and JournalUnusable.
        """
        return (await asyncio.to_thread(self._outcomes.tickets)).of(self.number)

    async def status(self) -> TaskRecord:
        """How it stands now. Raises TaskNotFound, or JournalUnusable."""
        return (await self._outcomes.look(Question(self.number))).record

    def status_sync(self) -> TaskRecord:
        """The same for code without an event loop."""
        return self._outcomes.look_sync(Question(self.number)).record

    async def wait(self, timeout: Timeout = None) -> TaskRecord:
        """How it stands when it has ended for good: done, failed, cancelled or dropped.

        timeout: seconds, or a timedelta; then TimeoutError is raised, and the task goes on. Raises TaskNotFound,
        JournalUnusable, or OptionError for what is no time.
        """
        return (await self._outcomes.look(Question(self.number, for_end=True), _seconds(timeout))).record

    def wait_sync(self, timeout: Timeout = None) -> TaskRecord:
        """The same for code without an event loop. Blocks."""
        return self._outcomes.look_sync(Question(self.number, for_end=True), _seconds(timeout)).record

    async def watch(self, timeout: Timeout = None, seen: TaskRecord | None = None) -> AsyncIterator[TaskRecord]:
        """How it stands, now and each time that has changed, until it has ended for good: `async for … in`.

        timeout: seconds, or a timedelta, after which it stops all the same. seen: what is known already, and not given
        once more. What changes faster than it is taken is given as it is by then. Raises TaskNotFound, JournalUnusable,
        or OptionError for what is no time.
        """
        most = _seconds(timeout)
        until = None if most is None else time.monotonic() + most
        while seen is None or not seen.has_ended:
            left = None if until is None or seen is None else max(0.0, until - time.monotonic())
            try:
                seen = (await self._outcomes.look(Question(self.number, seen=seen), left)).record
            except TimeoutError:
                return
            yield seen

    async def result(self, timeout: Timeout = None) -> T_co:
        """What its function has returned, once it has; waits as `wait` does, and raises what that raises.

        Raises TaskFailed when the task has ended otherwise, and NoResult when what it returned was not kept.
        """
        standing = await self._outcomes.look(Question(self.number, for_end=True), _seconds(timeout))
        return cast("T_co", await self._outcomes.value(_done(standing)))

    def result_sync(self, timeout: Timeout = None) -> T_co:
        """The same for code without an event loop. Blocks."""
        standing = self._outcomes.look_sync(Question(self.number, for_end=True), _seconds(timeout))
        return cast("T_co", self._outcomes.value_sync(_done(standing)))

    def __iter__(self) -> NoReturn:
        """Asked by FastAPI of what an endpoint returns. Raises TypeError, which says what to return instead."""
        raise TypeError(
            f"{self!r} stands for a task, and cannot be sent: return outlast.accepted(handle), or what is to be told "
            "of it, such as handle.id"
        )

    async def cancel(self) -> bool:
        """Let it not run, or stop it. See `outlast.cancel`."""
        return self._task.withdraw() or await self._journal.tell(Cancel(self.number))

    def cancel_sync(self) -> bool:
        """The same for code without an event loop."""
        return self._task.withdraw() or self._journal.tell_sync(Cancel(self.number))


class Together(Handle[T_co]):
    """Tasks that were asked for together; it is a handle of the last one, which gives the result. `all` are of each."""

    __slots__ = ("all",)

    def __init__(self, asked: Sequence[Asked], journal: Journal) -> None:
        super().__init__(asked[-1], journal)
        self.all: Sequence[Handle] = [*(Handle(one, journal) for one in asked[:-1]), self]

    async def cancel(self) -> bool:
        """None of them that has not ended shall go on; whether the last one will not finish."""
        for one in self.all[:-1]:
            with suppress(TaskNotFound):  # it has ended long ago
                await one.cancel()
        return await super().cancel()

    def cancel_sync(self) -> bool:
        """The same for code without an event loop."""
        for one in self.all[:-1]:
            with suppress(TaskNotFound):
                one.cancel_sync()
        return super().cancel_sync()


def _seconds(timeout: Timeout) -> float | None:
    """Raises OptionError for what is no time."""
    given = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if given is None:
        return None
    if not isinstance(given, float | int) or not given >= -inf:
        raise OptionError(f"'timeout' is {given!r:.100}, but it has to be a number of seconds, a timedelta, or None")
    return min(max(0.0, given), MOST_DELAY)


def _done(standing: Standing) -> Standing:
    """Raises TaskFailed if it is not."""
    it = standing.record
    if it.state != State.DONE.label:
        raise TaskFailed(it.id, it.state, it.reason, standing.traceback)
    return standing
