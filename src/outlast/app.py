"""`install(app)`: one Outlast per app holds its settings, its way into the journal and to the runner."""

from __future__ import annotations

import logging
import os
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, copy_context
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Unpack

from outlast.callables import callables_among
from outlast.context.variables import Carry
from outlast.engines.contract import Add, Cancel, Change, Retry
from outlast.engines.submissions import Answer
from outlast.errors import IdTaken, NotInstalled, NotStorable, SettingsError, TaskNotFound
from outlast.functions import Functions
from outlast.identity import Identity, name_of
from outlast.process import this
from outlast.request.boxed import BoxedTask
from outlast.request.current import open_box
from outlast.request.handle import Handle
from outlast.request.luggage import Luggage
from outlast.request.mode import REAL, mode_here, rehearse, rehearse_blocking
from outlast.service import Service
from outlast.settings import GivenSettings, Settings, unknown_variables, unread_variables
from outlast.tasks import NewTask, State, TaskIds, number_of, shown
from outlast.watch.flights import Flights

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("outlast")
P = ParamSpec("P")
HERE = str(Path(__file__).parent)


class Outlast:
    """What `install` makes of an app. Nothing is opened, started or locked before the first task."""

    def __init__(self, settings: Settings, app: object = None, carry: Carry = True, made_in: str = "") -> None:
        """`carry` as of `install`, which was called in `made_in`: `module:function()` or `module`."""
        self._asked = settings
        self._carry = carry
        self._before = copy_context()
        self._doubts = [*unknown_variables(os.environ), *unread_variables(os.environ)]
        self.ids = TaskIds()
        self.functions = Functions(carry)
        self._identity = Identity(weakref.ref(app) if app is not None else lambda: None, made_in)
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._overrides = this.overrides
        self._service = Service(replace(self._asked, **self._overrides), self.ids, self._identity)

    @property
    def carry(self) -> Mapping[ContextVar[Any] | str, bool]:
        """What `install` was told of single context variables."""
        return self._carry if isinstance(self._carry, Mapping) else {}

    @property
    def service(self) -> Service:
        """What is open for it: of the test that runs, if that has settings of its own."""
        if self._overrides is not this.overrides:
            self._service.close()
            self._begin_anew()
        return self._service

    @property
    def settings(self) -> Settings:
        """Those of `install`, but for what a test has put in their place."""
        return self.service.settings

    @property
    def path(self) -> Path:
        """The journal's."""
        return self.service.place.journal

    def refuse_other(self, given: GivenSettings, carry: Carry) -> None:
        """Raises SettingsError if one of `given`, or a `carry` that says something, is not what the app has."""
        again = Settings.load(**given)
        both = {name: (getattr(self._asked, name), getattr(again, name)) for name in given}
        if carry is not True:
            both["carry"] = self._carry, carry
        for name, (before, now) in both.items():
            if before != now:
                raise SettingsError(
                    f"this app has outlast already, with {name} = {before!r}, and install(app, {name}={now!r}) would "
                    "change nothing: call outlast.install(app) once, with all settings"
                )

    async def store(self, changes: Sequence[Change]) -> Answer:
        """Durable when it returns. Raises StoreFailed or JournalUnusable within `store_deadline` seconds."""
        return await self.service.writer.store(changes, self.settings.store_deadline)

    def store_soon(self, changes: Sequence[Change]) -> None:
        """Written as soon as the journal takes it; nobody waits."""
        self.service.writer.store_soon(changes)

    async def enqueue(self, function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Handle:
        """Store a task that runs at once, in or outside of a request.

        Raises NotStorable when it cannot travel, StoreFailed or JournalUnusable when it cannot be stored.
        """
        if mode_here() == REAL:
            await self.functions.look_into([function, *callables_among(args, kwargs)])
        task = self._new_task(function, args, kwargs)
        if mode_here() == REAL:
            try:
                await self.store([Add(task)])
            except IdTaken:
                task = replace(task, id=self.ids.next())
                await self.store([Add(task)])
            self.service.farewell.remember(task.id)
        else:
            await rehearse(BoxedTask(function, *args, **kwargs))
        return Handle(task.id, self)

    def enqueue_sync(self, function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Handle:
        """The same for code without an event loop. Blocks for one fsync."""
        task = self._new_task(function, args, kwargs)
        if mode_here() == REAL:
            try:
                self.service.writer.store_now([Add(task)], self.settings.store_deadline)
            except IdTaken:
                task = replace(task, id=self.ids.next())
                self.service.writer.store_now([Add(task)], self.settings.store_deadline)
            self.service.farewell.remember(task.id)
        else:
            rehearse_blocking(BoxedTask(function, *args, **kwargs))
        return Handle(task.id, self)

    async def cancel(self, task: int | str) -> bool:
        """Let a task not run, or stop it where it runs in a task process; `task` is its id, or the number of it.

        Returns whether it will not finish: False for one that has ended, or runs inline, in its web worker. One that
        runs is told to stop, and its process ended if it does not listen. Raises TaskNotFound, StoreFailed or
        JournalUnusable.
        """
        number = number_of(task)
        return self._told(number, await self.store([Cancel(number)])) if mode_here() == REAL else False

    def cancel_sync(self, task: int | str) -> bool:
        """The same for code without an event loop. Blocks for one fsync."""
        number, deadline = number_of(task), self.settings.store_deadline
        if mode_here() != REAL:
            return False
        return self._told(number, self.service.writer.store_now([Cancel(number)], deadline))

    async def retry(self, task: int | str) -> bool:
        """Let a task run again that has ended or is parked; `task` is its id, or the number of it.

        Its history stays, and its attempts count on. Returns whether it waits now: False for one that has not ended, or
        ran inline, in its web worker. Raises TaskNotFound, StoreFailed or JournalUnusable.
        """
        number = number_of(task)
        return self._told(number, await self.store([Retry(number)])) if mode_here() == REAL else False

    def retry_sync(self, task: int | str) -> bool:
        """The same for code without an event loop. Blocks for one fsync."""
        number, deadline = number_of(task), self.settings.store_deadline
        if mode_here() != REAL:
            return False
        return self._told(number, self.service.writer.store_now([Retry(number)], deadline))

    def _told(self, number: int, answer: Answer) -> bool:
        if number not in answer:
            raise TaskNotFound(f"no task {shown(number)} in {self.path}")
        if answer[number]:
            self.service.connection.look()
        return answer[number]

    @property
    def flights(self) -> Flights:
        """The requests and inline tasks in this process."""
        return self.service.watch.flights

    def begin_watch(self) -> None:
        """A request is here. The first one begins what a lifespan would have: a server may send none, as to an app
        that is mounted in another."""
        if self.service.begin():
            self._begin()

    async def serve_lifespan(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the lifespan on, and open and close with it."""
        if this.is_child:
            await app(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._begin()
                service.serve()
            elif message["type"].startswith("lifespan.shutdown"):
                await service.leave()
            await send(message)

        if self.service.is_over:  # of the lifespan before
            self._begin_anew()
        service = self.service
        service.enter()
        await app(scope, receive, watched)

    def _begin(self) -> None:
        self.functions.begin()
        for sentence in self._doubts:
            log.warning("%s", sentence)

    def ask_server(self) -> None:
        """Learn the app's name from the server, on its event loop."""
        self.service.ask_server()

    def close(self, wait: float = 0.0) -> None:
        """Write what waits and say good-bye to the runner; `wait` seconds at most for the tasks that run."""
        self.service.hang_up(wait)

    def _new_task(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> NewTask:
        describe = self.functions.describe_now if mode_here() == REAL else self.functions.describe
        passed = callables_among(args, kwargs)
        described = describe(function, *passed)
        if described.inline_reason:
            raise NotStorable(described.inline_reason)
        for one in (function, *passed):
            self.functions.presume(one)
        luggage = Luggage(self.functions, self._before).judge(described.path, [function, *passed], copy_context())
        if luggage.reason_to_stay:
            raise NotStorable(luggage.reason_to_stay)
        return NewTask(
            id=self.ids.next(),
            function=described.path,
            arguments=described.codec.encode(args, kwargs),
            lane=described.lane,
            state=State.WAITING,
            created_at=time.time(),
            origin=_caller(),
            terms=described.terms,
            code=described.code,
            context=luggage.text,
        )


def install(app: Starlette, /, *, carry: Carry = True, **settings: Unpack[GivenSettings]) -> Outlast:
    """Give `app` (FastAPI or Starlette) background tasks that outlast its requests, its workers and its machine.

    carry: which context variables come along with tasks. True: all whose values can travel of those that the modules
        of the project and of libraries hold; False: none. A dict says it of single ones, by variable, by path
        (`module:name`), or by module or package: `{tenant: True, session: False, "some_library": False}`. True also
        adds a variable that no module holds under a name, and warns whenever its value cannot travel.
    settings: those of `outlast.settings.Settings`, for example `url` and `runner`.

    Installing twice is the same as once. Raises SettingsError for a setting that is not known, and for other settings
    the second time.
    """
    from outlast.request import hook
    from outlast.request.entrance import with_doorway

    known: Outlast | None = getattr(app.state, "outlast", None)
    if known is not None:
        known.refuse_other(settings, carry)
        return known
    outlast = Outlast(Settings.load(**settings), app, carry, name_of(sys._getframe(1)))
    app.state.outlast = this.newest = outlast
    this.installed.add(outlast)
    hook.install()
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: with_doorway(build(), outlast, app.router)  # type: ignore[method-assign]
    return outlast


def current() -> Outlast:
    """The Outlast of this request, else of the app whose lifespan is open, else of the newest. Raises NotInstalled."""
    box = open_box()
    if box is not None and isinstance(box.outlast, Outlast):
        return box.outlast
    serving = [one.outlast for one in this.serving if isinstance(one.outlast, Outlast)]
    if len(serving) > 1 and mode_here() == REAL:
        raise NotInstalled(
            f"{len(serving)} apps of this process have outlast: use app.state.outlast of the one you mean"
        )
    found = serving[-1] if serving else this.newest
    if found is None:
        raise NotInstalled("no app has outlast here: call outlast.install(app) first")
    return found


async def enqueue(function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Handle:
    """Store a task that runs at once, from anywhere in async code. See `Outlast.enqueue`."""
    return await current().enqueue(function, *args, **kwargs)


def enqueue_sync(function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Handle:
    """Store a task that runs at once, from anywhere in code without an event loop. See `Outlast.enqueue_sync`."""
    return current().enqueue_sync(function, *args, **kwargs)


async def cancel(task: int | str) -> bool:
    """Let a task not run, or stop it, by its id. See `Outlast.cancel`."""
    return await current().cancel(task)


def cancel_sync(task: int | str) -> bool:
    """The same for code without an event loop. See `Outlast.cancel_sync`."""
    return current().cancel_sync(task)


async def retry(task: int | str) -> bool:
    """Let a task run again that has ended or is parked, by its id. See `Outlast.retry`."""
    return await current().retry(task)


def retry_sync(task: int | str) -> bool:
    """The same for code without an event loop. See `Outlast.retry_sync`."""
    return current().retry_sync(task)


def _caller() -> str:
    """File and line outside of outlast that asked for a task."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rpartition(os.sep)[2]}:{frame.f_lineno}"
