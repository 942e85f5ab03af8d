"""The two documented hooks. Both do nothing outside of a request of an app that has outlast."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from starlette.background import BackgroundTasks
from starlette.responses import Response

from outlast.system.program import look_into_main_file
from outlast.web.call_site import start_folder
from outlast.web.current import open_observer

_NAME = "background"
_ORIGINAL = "__outlast_original__"


class ObservedBackground:
    """`Response.background`: what is assigned goes into the request's pending tasks, at the latest when it is read."""

    def __get__(self, response: Response | None, owner: type[Response]) -> Any:
        if response is None:
            return self
        try:
            background = response.__dict__[_NAME]
        except KeyError:
            raise AttributeError(f"{owner.__name__!r} object has no attribute {_NAME!r}") from None
        if background is not None and (observer := open_observer()) is not None:
            background = vars(response)[_NAME] = observer.assign(background)
        return background

    def __set__(self, response: Response, background: Any) -> None:
        if background is not None and (observer := open_observer()) is not None:
            background = observer.assign(background)
        vars(response)[_NAME] = background

    def __delete__(self, response: Response) -> None:
        del vars(response)[_NAME]


def install() -> None:
    """Put the hooks in place, once per process, and learn what they have to know."""
    start_folder()
    look_into_main_file()
    if not isinstance(vars(Response).get(_NAME), ObservedBackground):
        Response.background = ObservedBackground()  # type: ignore[assignment]  # a descriptor in its place
    add_task = BackgroundTasks.add_task
    if not hasattr(add_task, _ORIGINAL):
        BackgroundTasks.add_task = _observed(add_task)  # type: ignore[method-assign]  # the documented hook


def uninstall() -> None:
    """Take them out again, as if they had never been there."""
    if isinstance(vars(Response).get(_NAME), ObservedBackground):
        delattr(Response, _NAME)
    BackgroundTasks.add_task = getattr(  # type: ignore[method-assign]  # the documented hook
        BackgroundTasks.add_task, _ORIGINAL, BackgroundTasks.add_task
    )


def _observed(original: Callable[..., None]) -> Callable[..., None]:
    def add_task(self: BackgroundTasks, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        original(self, func, *args, **kwargs)
        observer = open_observer()
        if observer is not None:
            observer.added(self, sys._getframe(1))

    setattr(add_task, _ORIGINAL, original)
    add_task.__doc__ = original.__doc__
    return add_task
