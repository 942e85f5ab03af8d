"""The one context variable: who is told of background tasks in the call of the app that the running code belongs to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any

from starlette.background import BackgroundTask, BackgroundTasks

from outlast.functions.dependencies import newest_app
from outlast.watch.flights import InFlight


class Observer(ABC):
    """Of one call: what adds, carries and calls tasks in it need not know more of `PendingTasks` than this.

    closed: the call is over, or nothing of it was accepted: tasks are not taken any more. refused: its client is told
    that none of its tasks runs.
    flight: the request as the watch knows it; its inline tasks are in flight beside it. app: the user's.
    """

    app: object
    closed: bool
    refused: bool
    flight: InFlight | None

    @abstractmethod
    def assign(self, background: Any) -> Any:
        """A response was given `background`, or that is read; returns what it shall have in its place."""

    @abstractmethod
    def added(self, owner: BackgroundTasks, caller: FrameType) -> None:
        """A task was just appended to `owner`, by `caller`."""

    @abstractmethod
    def leave(self) -> None:
        """A response starts here: its tasks see what has been set until now."""

    @abstractmethod
    def called(self, task: BackgroundTask) -> Awaitable[None] | None:
        """Somebody calls the stand-in of a task; returns what there is to be waited for."""


current_observer: ContextVar[Observer | None] = ContextVar("outlast_observer", default=None)


def open_observer() -> Observer | None:
    """Who is to be told; None outside of an installed app's request, and when it is over."""
    observer = current_observer.get()
    return None if observer is None or observer.closed else observer


def app_here() -> object:
    """The app whose call this is, or was when its task was seen; outside of any, the newest that has outlast."""
    observer = current_observer.get()
    return newest_app() if observer is None else observer.app


@contextmanager
def told(observer: Observer) -> Iterator[None]:
    """A block in which `observer` is told."""
    token = current_observer.set(observer)
    try:
        yield
    finally:
        current_observer.reset(token)
