"""Background objects: which of them can be taken apart, and the stand-in that takes a task's place in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from copy import copy
from functools import wraps
from typing import Any

from starlette.background import BackgroundTask, BackgroundTasks

from outlast.functions.checkpoints import attempted
from outlast.functions.names import refuse_undone
from outlast.functions.parameters import dependencies_of, with_attempt
from outlast.functions.stashes import anew, held_among
from outlast.tasks.attempt import Attempt
from outlast.web.current import app_here, open_observer
from outlast.web.scene import Scene

_HOME = ("starlette.background", "fastapi.background")


def functions_in(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[Callable[..., Any]]:
    """What a call calls, and what is passed to it that it may call."""
    return [function, *filter(callable, args), *filter(callable, kwargs.values())]


class StandIn(BackgroundTask):
    """Takes the place of a task in its background object; when called, it asks the open call what to do.

    It holds no state of a request: an object that is used for two responses, or two requests, can keep it.
    Outside of a request of an installed app it does what the task itself would have done. `original` is an
    object whose call has a meaning of its own: it can only be called. number, attempt: of the task, where a test has
    kept it, and which try it is, where a test lets it run.
    """

    original: Callable[[], Any] | None = None
    number = 0
    attempt: Attempt | None = None
    _scene: Scene | None = None

    def __init__(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(func, *args, **kwargs)

    @classmethod
    def of(cls, background: Callable[..., Any]) -> StandIn:
        """The stand-in for a task or for any other callable that was given to a response."""
        if isinstance(background, BackgroundTask) and is_plain(background):
            return cls(background.func, *background.args, **background.kwargs)
        stand_in = cls(background)
        stand_in.original = background
        return stand_in

    @property
    def passed(self) -> list[Callable[..., Any]]:
        """Those arguments that can be called: functions, as far as is known here."""
        return self.functions[1:]

    @property
    def functions(self) -> list[Callable[..., Any]]:
        """What the task calls, and what is passed to it that it may call."""
        return functions_in(self.func, self.args, self.kwargs)

    @property
    def stashed(self) -> tuple[str, ...]:
        """The names of the stashed files among its arguments, each of which stays as long as its name here."""
        return held_among(self.args, self.kwargs)

    def kept(self, scene: Scene | None, number: int) -> StandIn:
        """The same for a test that runs it later, as if in `scene`."""
        one = copy(self)
        one._scene, one.number = scene, number
        return one

    def given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> StandIn:
        """The same with these arguments."""
        return StandIn(self.func, *args, **kwargs).kept(self._scene, self.number)

    def tried(self, attempt: Attempt) -> StandIn:
        """The same for a test that lets it run now."""
        one = copy(self)
        one.attempt = attempt
        return one

    def in_its_scene(self) -> AbstractContextManager[None]:
        """A block that sees what its request had set, if a test has kept it."""
        return self._scene.shown() if self._scene is not None else nullcontext()

    async def __call__(self) -> None:
        observer = open_observer()
        left = self.run() if observer is None else observer.called(self)
        if left is not None:
            await left

    async def run(self) -> None:
        """Run it here, as Starlette alone would; but what it depends on is there."""
        if self.original is not None:
            await self.original()
            return
        with attempted(self.attempt):
            one = self._with_attempt()
            if (depends := dependencies_of(one.func)) is None:
                await super(StandIn, one).__call__()
                return
            async with depends.resolved(one.args, one.kwargs, app_here()) as (args, kwargs):
                await super(StandIn, StandIn(one.func, *args, **kwargs)).__call__()

    async def run_recorded(self) -> Any:
        """The same, but for what Starlette alone says nothing of: returns what its function returns.

        Raises TypeError where nothing of it was run.
        """
        if self.original is not None:
            return await self.run()
        heeded, returned = copy(self), list[Any]()
        heeded.func = _heeded(self.func, returned.append, is_async=self.is_async)
        await heeded.run()  # by Starlette's own call: instrumentors have put a span round that
        return returned[0] if returned else None

    def run_blocking(self) -> Any:
        """As `run`, for code without an event loop; returns what its function returns."""
        if self.is_async or dependencies_of(self.func) is not None:
            return _run_apart(self.run_recorded())
        with attempted(self.attempt):
            one = self._with_attempt()
            return one.func(*one.args, **one.kwargs)

    def _with_attempt(self) -> StandIn:
        """The same, with what its function wants to know of the attempt, and files that nobody has read in."""
        given, named = anew(self.args), anew(self.kwargs)
        args, kwargs = with_attempt(self.func, given, named)
        return self if args is self.args and kwargs is self.kwargs else StandIn(self.func, *args, **kwargs)


def _run_apart(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """On an event loop of its own, in a thread of its own where one runs here already. Blocks."""
    if asyncio._get_running_loop() is None:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, coroutine).result()


def _heeded(function: Callable[..., Any], keep: Callable[[Any], None], *, is_async: bool) -> Callable[..., Any]:
    """The same by name, but for what it gives, which is kept."""

    async def run_async(*args: Any, **kwargs: Any) -> None:
        keep(await function(*args, **kwargs))

    def run(*args: Any, **kwargs: Any) -> None:
        value = function(*args, **kwargs)
        refuse_undone(function, value)
        keep(value)

    heeded = wraps(function)(run_async if is_async else run)
    heeded.__name__ = getattr(function, "__name__", type(function).__name__)
    return heeded


def take_apart(background: Any) -> tuple[Any, list[StandIn]]:
    """What a response, or a group, gets instead of `background`, and the tasks in it in the order of their calls.

    A group stays itself, and so does a task that only calls another background object: what is in them is replaced.
    """
    if isinstance(background, StandIn):
        return background, [background]
    if is_group(background):
        return background, _in_group(background)
    if (inner := _nested_in(background)) is not None:
        background.func, tasks = take_apart(inner)
        return background, tasks
    stand_in = StandIn.of(background)
    return stand_in, [stand_in]


def _in_group(group: BackgroundTasks) -> list[StandIn]:
    tasks: list[StandIn] = []
    for position in range(len(group.tasks)):
        tasks += _replaced(group, position)
    return tasks


def take_over(group: BackgroundTasks) -> list[StandIn]:
    """The tasks in the last element of a group, which `add_task` has just made: nobody else knows it yet."""
    element = group.tasks[-1]
    if type(element) is BackgroundTask and not isinstance(element.func, BackgroundTask):
        element.__class__ = StandIn  # and no second object
    return _replaced(group, -1)


def _replaced(group: BackgroundTasks, position: int) -> list[StandIn]:
    element = group.tasks[position]
    if type(element) is StandIn:
        return [element]
    group.tasks[position], tasks = take_apart(element)
    return tasks


def is_plain(background: BackgroundTask) -> bool:
    """Whether calling it means what Starlette means by it, and nothing of the user's own."""
    for kind in type(background).__mro__:
        if "__call__" in kind.__dict__:
            return kind.__module__ in _HOME
    return False


def is_group(background: object) -> bool:
    """Whether it is a plain list of tasks."""
    return isinstance(background, BackgroundTasks) and is_plain(background)


def _nested_in(element: Any) -> Any:
    """The background object that was itself added as a task: `tasks.add_task(response.background)`."""
    if not isinstance(element, BackgroundTask) or is_group(element) or not is_plain(element):
        return None
    bare = not element.args and not element.kwargs
    return element.func if bare and isinstance(element.func, BackgroundTask) else None
