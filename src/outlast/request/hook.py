"""The two documented hooks. Both do nothing outside of a request of an app that has outlast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.background import BackgroundTasks
from starlette.responses import Response

from outlast.request.current import open_box
from outlast.request.site import working_folder

_NAME = "background"
_ORIGINAL = "__outlast_original__"


class ObservedBackground:
    """`Response.background`: what is assigned goes into the request's box, at the latest when it is read."""

    def __get__(self, response: Response | None, owner: type[Response]) -> Any:
        if response is None:
            return self
        try:
            background = vars(response)[_NAME]
        except KeyError:
            raise AttributeError(f"{owner.__name__!r} object has no attribute {_NAME!r}") from None
        if background is not None and (box := open_box()) is not None:
            background = vars(response)[_NAME] = box.assign(background)
        return background

    def __set__(self, response: Response, background: Any) -> None:
        if background is not None and (box := open_box()) is not None:
            background = box.assign(background)
        vars(response)[_NAME] = background

    def __delete__(self, response: Response) -> None:
        del vars(response)[_NAME]


def install() -> None:
    """Put the hooks in place, once per process, and learn what they have to know."""
    working_folder()
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
        box = open_box()
        if box is not None:
            box.added(self)

    setattr(add_task, _ORIGINAL, original)
    add_task.__doc__ = original.__doc__
    return add_task
