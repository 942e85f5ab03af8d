"""`outlast.BackgroundTasks`: the same as FastAPI's, typed, with a handle for each task, in WebSockets too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

from outlast.endings import CANCELLED_BEFORE
from outlast.errors import NotInstalled, NotStorable
from outlast.request.box import Box
from outlast.request.boxed import BoxedTask
from outlast.request.current import open_box
from outlast.request.entry import Entry, Step
from outlast.request.handle import Handle
from outlast.request.plan import plan
from outlast.request.scene import Scene
from outlast.request.site import call_site
from outlast.request.store import Store
from outlast.tasks import NO_TERMS, Terms
from outlast.terms import terms
from outlast.text import in_brief

if TYPE_CHECKING:
    from fastapi import Depends

P = ParamSpec("P")

OLDEST_FASTAPI = (0, 128, 4)
_NOT_TO_BE_CALLED = (
    "outlast.BackgroundTasks is not to be called: declare a parameter of the endpoint or of a dependency, "
    "`tasks: outlast.BackgroundTasks`, and FastAPI fills it; for a response of your own take "
    "fastapi.BackgroundTasks(), and outside of a request `outlast.enqueue(function, ...)`"
)


@dataclass(frozen=True, slots=True)
class Options:
    """How a task is to be treated. See `Tasks.options`."""

    parallel: bool = False
    timeout: float | None = None
    memory: int | str | None = None

    def __post_init__(self) -> None:
        self.terms(NO_TERMS)

    def terms(self, before: Terms) -> Terms:
        """What the function's decorator asks for, with these in its place. Raises OptionError."""
        return terms(before, timeout=self.timeout, memory=self.memory)


class Batch:
    """The tasks of one use of the dependency: kept until it ends, then all are ready or all are given up."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._entries: list[Entry] = []
        self._ready = not box.waits
        self._lost = ""

    @property
    def outlast(self) -> Store:
        """What its tasks are stored by."""
        return self._box.outlast

    def add(self, task: BoxedTask, options: Options) -> Entry:
        """Raises NotStorable when the task cannot travel, or when its request is over."""
        if self._box.closed:
            raise NotStorable("this request is over: use `await outlast.enqueue(...)` outside of requests")
        planned = plan(task, self._box.describe)
        planned = replace(planned, terms=options.terms(planned.terms))
        entry = Entry(task, self._box.outlast.ids.next(), call_site(), promised=True, parallel=options.parallel)
        entry.ready, entry.lost, entry.scene = self._ready, self._lost, Scene()
        self._box.set_plan(entry, planned)
        if reason := self._box.reason_to_stay(entry):
            raise NotStorable(reason)
        self._entries.append(entry)
        self._box.promise(entry)
        return entry

    def commit(self) -> None:
        """The dependency has ended without error."""
        self._ready = True
        for entry in self._entries:
            if not entry.lost:
                entry.ready = True
                self._box.promise(entry)

    def withdraw(self, entry: Entry) -> bool:
        """Give up a task that is not on its way to the journal yet; False when it is."""
        if entry.step is not Step.SEEN:
            return False
        entry.ready, entry.lost = False, CANCELLED_BEFORE
        return True

    def discard(self, error: BaseException) -> None:
        """The dependency has ended with `error`."""
        self._lost = f"its request failed with {in_brief(error)}"
        for entry in self._entries:
            entry.lost = self._lost


class Tasks:
    """Adds background tasks that outlast the request: a parameter annotated `outlast.BackgroundTasks`."""

    def __init__(self, batch: Batch | None = None, options: Options | None = None) -> None:
        if batch is None:
            raise TypeError(_NOT_TO_BE_CALLED)
        self._batch = batch
        self._options = options or Options()

    def add_task(self, func: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Handle:
        """Run `func` with these arguments after the response, in another process.

        It is stored before the response starts, and dropped when the endpoint or a dependency raises; in a
        WebSocket it is stored and runs at once. Raises NotStorable, with what to pass instead, when the
        function or an argument cannot travel.
        """
        entry = self._batch.add(BoxedTask(func, *args, **kwargs), self._options)
        return Handle(entry.tell_id, self._batch.outlast, lambda: self._batch.withdraw(entry))

    def options(
        self, *, parallel: bool = False, timeout: float | None = None, memory: int | str | None = None
    ) -> Tasks:
        """The same tasks, to be called as `tasks.options(parallel=True).add_task(...)`.

        parallel: the task waits for no other task of its response, and none waits for it.
        timeout, memory: as of `outlast.task`, in place of what the function's decorator says. Raises OptionError.
        """
        return Tasks(self._batch, Options(parallel, timeout, memory))


async def _tasks() -> AsyncIterator[Tasks]:
    batch = Batch(_box_of_request())
    try:
        yield Tasks(batch)
    except BaseException as error:
        batch.discard(error)
        raise
    batch.commit()


def _box_of_request() -> Box:
    box = open_box()
    if box is None:
        raise NotInstalled("outlast.BackgroundTasks needs an app that has outlast: call outlast.install(app) first")
    return box


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
