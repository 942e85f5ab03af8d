"""Background objects: which of them can be taken apart, and the element that takes a task's place in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from typing import Any

from starlette.background import BackgroundTask, BackgroundTasks

from outlast.callables import callables_among
from outlast.request.current import open_box
from outlast.request.scene import Scene

_HOME = ("starlette.background", "fastapi.background")


class BoxedTask(BackgroundTask):
    """Takes the place of a task in its background object; when called, it asks the request's box what to do.

    It holds no state of a request: an object that is used for two responses, or two requests, can keep it.
    Outside of a request of an installed app it does what the task itself would have done. `original` is an
    object whose call has a meaning of its own: it can only be called.
    """

    def __init__(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(func, *args, **kwargs)
        self.original: Callable[[], Any] | None = None
        self._scene: Scene | None = None

    @classmethod
    def of(cls, background: Callable[..., Any]) -> BoxedTask:
        """The stand-in for a task or for any other callable that was given to a response."""
        if isinstance(background, BackgroundTask) and is_plain(background):
            return cls(background.func, *background.args, **background.kwargs)
        boxed = cls(background)
        boxed.original = background
        return boxed

    @property
    def passed(self) -> list[Callable[..., Any]]:
        """Those arguments that can be called: functions, as far as is known here."""
        return callables_among(self.args, self.kwargs)

    @property
    def functions(self) -> list[Callable[..., Any]]:
        """What the task calls, and what is passed to it that it may call."""
        return [self.func, *self.passed]

    def kept(self, scene: Scene | None) -> BoxedTask:
        """The same for a test that runs it later, as if in `scene`."""
        one = copy(self)
        one._scene = scene
        return one

    def in_its_scene(self) -> AbstractContextManager[None]:
        """A block that sees what its request had set, if a test has kept it."""
        return self._scene.shown() if self._scene is not None else nullcontext()

    async def __call__(self) -> None:
        box = open_box()
        await (self.run() if box is None else box.call(self))

    async def run(self) -> None:
        """Run it here, as Starlette alone would."""
        if self.original is None:
            await super().__call__()
        else:
            await self.original()

    def run_blocking(self) -> None:
        """The same for code without an event loop."""
        if self.is_async:
            asyncio.run(self.run())
        else:
            self.func(*self.args, **self.kwargs)


def is_plain(background: object) -> bool:
    """Whether calling it means what Starlette means by it, and nothing of the user's own."""
    for kind in type(background).__mro__:
        if "__call__" in vars(kind):
            return kind.__module__ in _HOME
    return False


def boxed(background: Any) -> Any:
    """What a response gets instead of `background`: a group stays itself, its tasks are boxed in place."""
    if is_group(background):
        for _ in tasks_of(background):
            continue
        return background
    return background if isinstance(background, BoxedTask) else BoxedTask.of(background)


def tasks_of(background: Any) -> Iterator[BoxedTask]:
    """The tasks of a background object, each boxed, in the order in which it calls them; nested ones too."""
    if isinstance(background, BoxedTask):
        yield background
    elif is_group(background):
        elements = background.tasks
        for position, element in enumerate(elements):
            elements[position] = box_element(element)
            yield from tasks_of(elements[position])
    elif (inner := nested_in(background)) is not None:
        yield from tasks_of(inner)


def box_element(element: Any) -> Any:
    """What stands in a group instead of `element`. One that only calls another background object stays."""
    if isinstance(element, BoxedTask):
        return element
    inner = nested_in(element)
    if inner is None:
        return BoxedTask.of(element)
    element.func = boxed(inner)
    return element


def is_group(background: object) -> bool:
    """Whether it is a plain list of tasks."""
    return isinstance(background, BackgroundTasks) and is_plain(background)


def nested_in(element: Any) -> Any:
    """The background object that was itself added as a task: `tasks.add_task(response.background)`."""
    if not isinstance(element, BackgroundTask) or is_group(element) or not is_plain(element):
        return None
    bare = not element.args and not element.kwargs
    return element.func if bare and isinstance(element.func, BackgroundTask) else None
