"""`outlast.BackgroundTasks`: the same as FastAPI's, typed, with a handle for each task, in WebSockets too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar, Unpack, overload

from outlast.errors import NotInstalled, NotStorable
from outlast.events.endings import CANCELLED_BEFORE
from outlast.functions.dependencies import NEEDS
from outlast.tasks.options import GivenAtCall, flag, nearer
from outlast.text import in_brief
from outlast.web.background import StandIn
from outlast.web.call_site import call_site
from outlast.web.current import open_observer
from outlast.web.entry import Entry, Promise, Step
from outlast.web.handle import Handle
from outlast.web.pending import PendingTasks
from outlast.web.plan import plan
from outlast.web.scene import Scene

if TYPE_CHECKING:
    from fastapi import Depends

P = ParamSpec("P")
T = TypeVar("T")
Async = Coroutine[Any, Any, T]

OLDEST_FASTAPI = (0, 128, 4)
_NOT_TO_BE_CALLED = (
    "outlast.BackgroundTasks is not to be called: declare a parameter of the endpoint or of a dependency, "
    "`tasks: outlast.BackgroundTasks`, and FastAPI fills it; for a response of your own take "
    "fastapi.BackgroundTasks(), and outside of a request `outlast.enqueue(function, ...)`"
)


class GivenInRequest(GivenAtCall, total=False):
    """Options of a task of a response.

    parallel: it waits for no other task of its response, and none waits for it.
    """

    parallel: bool


@dataclass(frozen=True, slots=True)
class Options:
    """How a task is to be treated. See `Tasks.options`."""

    parallel: bool = False
    given: Mapping[str, Any] = field(default_factory=dict)


class Batch:
    """The tasks of one use of the dependency: kept until it ends, then all are ready or all are given up."""

    def __init__(self, pending: PendingTasks) -> None:
        self._pending = pending
        self._entries: list[Entry] = []
        self._promise = Promise(ready=not pending.waits)
        self.journal = pending.journal

    def add(self, task: StandIn, options: Options) -> Entry:
        """Raises NotStorable when the task cannot travel, or when its request is over."""
        if self._pending.closed:
            raise NotStorable("this request is over: use `await outlast.enqueue(...)` outside of requests")
        planned = plan(task, self.journal.describe, options.given)
        if reason := planned.why_nothing_flows(self.journal.app.settings.max_result):
            raise NotStorable(reason)
        entry = Entry(task, self.journal.app.ids.next(), call_site(), scene=Scene())
        entry.promise = replace(self._promise, parallel=options.parallel)
        self._pending.preparation.set_plan(entry, planned)
        if reason := self._pending.preparation.reason_to_stay(entry):
            raise NotStorable(reason)
        self._entries.append(entry)
        self._pending.promise(entry)
        return entry

    def commit(self) -> None:
        """The dependency has ended without error."""
        self._promise.ready = True
        for entry in self._entries:
            if entry.promise is not None and not entry.promise.lost:
                entry.promise.ready = True
                self._pending.promise(entry)

    def withdraw(self, entry: Entry) -> bool:
        """Give up a task that is not on its way to the journal yet; False when it is."""
        if entry.step is not Step.SEEN or entry.promise is None:
            return False
        entry.promise.ready, entry.promise.lost = False, CANCELLED_BEFORE
        return True

    async def store(self, entry: Entry) -> None:
        """Store it now if it is not yet, behind those that were added before it. Raises as `PendingTasks.store`.

        What is not stored now is tried again when the response starts.
        """
        there = self._entries[: self._entries.index(entry) + 1]
        wanted = [one for one in there if one.promise is not None and not one.promise.lost]
        if wanted:
            try:
                await self._pending.store(wanted)
            except BaseException:
                for one in wanted:
                    one.step = Step.SEEN if one.step is Step.OFFERED else one.step
                raise

    def discard(self, error: BaseException) -> None:
        """The dependency has ended with `error`."""
        self._promise.lost = f"its request failed with {in_brief(error)}"
        for entry in self._entries:
            entry.promise = replace(self._promise, given=entry.promise.given if entry.promise else None)


@dataclass(frozen=True, slots=True, eq=False)
class Promised:
    """A task that a use of the dependency has added. See `Handle`."""

    batch: Batch
    entry: Entry

    @property
    def number(self) -> int:
        """Whoever is told may tell others."""
        return self.entry.tell_id() if self._given is None else self._given

    @property
    def is_new(self) -> bool | None:
        """None as long as the journal has not said."""
        return None if self._given is None else self._given == self.entry.id

    @property
    def _given(self) -> int | None:
        return None if self.entry.promise is None else self.entry.promise.given

    def withdraw(self) -> bool:
        """See `Batch.withdraw`."""
        return self.batch.withdraw(self.entry)

    async def stored(self) -> None:
        """See `Batch.store`."""
        await self.batch.store(self.entry)


class Tasks:
    """Adds background tasks that outlast the request: a parameter annotated `outlast.BackgroundTasks`."""

    def __init__(self, batch: Batch | None = None, options: Options | None = None) -> None:
        if batch is None:
            raise TypeError(_NOT_TO_BE_CALLED)
        self._batch = batch
        self._options = options or Options()

    @overload
    def add_task(self, func: Callable[P, Async[T]], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    @overload
    def add_task(self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    def add_task(self, func: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Handle[Any]:
        """Run `func` with these arguments after the response, in another process.

        It is stored before the response starts, and dropped when the endpoint or a dependency raises; in a
        WebSocket it is stored and runs at once. Raises NotStorable, with what to pass instead, when the
        function or an argument cannot travel.
        """
        entry = self._batch.add(StandIn(func, *args, **kwargs), self._options)
        return Handle(Promised(self._batch, entry), self._batch.journal)

    def options(self, **options: Unpack[GivenInRequest]) -> Tasks:
        """The same tasks, to be called as `tasks.options(retries=3).add_task(...)`.

        options: as of `outlast.task`, in place of what the function's decorator says, and those of `GivenInRequest`.
        They add to those of these tasks, as those of `function.s(...)` do. Raises OptionError.
        """
        before, given = self._options, dict(options)
        parallel = flag("parallel", given.pop("parallel", before.parallel))
        return Tasks(self._batch, Options(parallel, nearer(before.given, given)))


async def _tasks() -> AsyncIterator[Tasks]:
    batch = Batch(_pending_here())
    try:
        yield Tasks(batch)
    except BaseException as error:
        batch.discard(error)
        raise
    batch.commit()


setattr(_tasks, NEEDS, "the tasks of a response (call `await outlast.enqueue(...)` in the task)")


def _pending_here() -> PendingTasks:
    observer = open_observer()
    if not isinstance(observer, PendingTasks):
        raise NotInstalled("outlast.BackgroundTasks needs an app that has outlast: call outlast.install(app) first")
    return observer


def _background_tasks() -> Any:
    import fastapi

    release = tuple(int(part) for part in fastapi.__version__.split(".")[:3] if part.isdecimal())
    if release < OLDEST_FASTAPI:
        oldest = ".".join(map(str, OLDEST_FASTAPI))
        raise ImportError(
            f"outlast.BackgroundTasks needs FastAPI {oldest} or newer, this is {fastapi.__version__}: "
            "upgrade, or keep fastapi.BackgroundTasks, which outlast.install(app) makes durable as well"
        )
    return Annotated[Tasks, fastapi.Depends(_tasks, scope="function")]


def __getattr__(name: str) -> Any:
    """FastAPI is imported when its type is asked for, so that an app of Starlette alone needs none."""
    if name != "BackgroundTasks":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = made = _background_tasks()
    return made


if TYPE_CHECKING:
    BackgroundTasks = Annotated[Tasks, Depends(_tasks, scope="function")]
