"""`install(app)`: one Outlast per app holds its settings, its way into the journal and to the runner."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Unpack

from outlast import events
from outlast.callables import callables_among
from outlast.connection import Connection
from outlast.engines.contract import Add, Cancel, Change, Journal, Note, ProcessEntry
from outlast.engines.opening import reached
from outlast.engines.place import doubts_about, place_of
from outlast.engines.sqlite import SqliteJournal
from outlast.engines.submissions import Answer
from outlast.engines.writer import Writer
from outlast.errors import IdTaken, NotInstalled, NotStorable, SettingsError, TaskNotFound
from outlast.functions import Functions
from outlast.hello import VERSION, Hello
from outlast.identity import Identity, name_of
from outlast.incidents import Incident
from outlast.liveness import Liveness
from outlast.process import this
from outlast.request.boxed import BoxedTask
from outlast.request.current import open_box
from outlast.request.handle import Handle
from outlast.request.mode import REAL, mode_here, rehearse, rehearse_blocking
from outlast.resume import Resume
from outlast.runner.recovery import MACHINE
from outlast.settings import GivenSettings, Settings, unknown_variables, unread_variables
from outlast.tasks import NewTask, State, TaskIds, number_of, shown
from outlast.threads import OwnThread, start_from
from outlast.watch.flights import Flights
from outlast.web_watch import WebWatch

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("outlast")
P = ParamSpec("P")
HERE = str(Path(__file__).parent)


class Outlast:
    """What `install` makes of an app. Nothing is opened, started or locked before the first task."""

    def __init__(
        self, settings: Settings, app: object = None, made_in: str = "", asked: Settings | None = None
    ) -> None:
        """made_in: by which `module:function()` or `module`. asked: the settings before tests have put in theirs."""
        self._asked = asked or settings
        self._doubts = [*unknown_variables(os.environ), *unread_variables(os.environ)]
        self.ids = TaskIds()
        self.functions = Functions()
        self._identity = Identity(weakref.ref(app) if app is not None else lambda: None, made_in)
        self._use(settings)
        forget = weakref.WeakMethod(self._forget)
        os.register_at_fork(after_in_child=lambda: (reset := forget()) and reset())

    def configure(self, settings: Settings) -> None:
        """Close what is open and go on with other settings, as tests want it."""
        self.close()
        self._use(settings)

    def refuse_other(self, given: GivenSettings) -> None:
        """Raises SettingsError if one of `given` is not what the app has."""
        again = Settings.load(**given)
        for name in given:
            before, now = getattr(self._asked, name), getattr(again, name)
            if before != now:
                raise SettingsError(
                    f"this app has outlast already, with {name} = {before!r}, and install(app, {name}={now!r}) would "
                    "change nothing: call outlast.install(app) once, with all settings"
                )

    def _use(self, settings: Settings) -> None:
        self.settings = settings
        self.place = place_of(settings)
        self.path = self.place.journal
        self._identity.target = settings.app
        self._liveness: Liveness | None = None
        self._process = 0
        self._writer = Writer(self._new_journal(), self._enter, self._stored, self._put_off)
        self._connection = Connection(self.place, self._hello, starts_runner=settings.runner == "auto")
        self._resume = Resume(self.place, self._writer, self._connection, self._unfinished_in, settings.store_deadline)
        self._watch = WebWatch(settings, self.place, self._note, self._has_runner)

    def _forget(self) -> None:
        """A forked process is another one, and its locks are its own."""
        self._liveness = None
        self._process = 0

    async def store(self, changes: Sequence[Change]) -> Answer:
        """Durable when it returns. Raises StoreFailed or JournalUnusable within `store_deadline` seconds."""
        return await self._writer.store(changes, self.settings.store_deadline)

    def store_soon(self, changes: Sequence[Change]) -> None:
        """Written as soon as the journal takes it; nobody waits."""
        self._writer.store_soon(changes)

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
        else:
            await rehearse(BoxedTask(function, *args, **kwargs))
        return Handle(task.id, self)

    def enqueue_sync(self, function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Handle:
        """The same for code without an event loop. Blocks for one fsync."""
        task = self._new_task(function, args, kwargs)
        if mode_here() == REAL:
            try:
                self._writer.store_now([Add(task)], self.settings.store_deadline)
            except IdTaken:
                task = replace(task, id=self.ids.next())
                self._writer.store_now([Add(task)], self.settings.store_deadline)
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
        return self._cancelled(number, await self.store([Cancel(number)])) if mode_here() == REAL else False

    def cancel_sync(self, task: int | str) -> bool:
        """The same for code without an event loop. Blocks for one fsync."""
        number, deadline = number_of(task), self.settings.store_deadline
        if mode_here() != REAL:
            return False
        return self._cancelled(number, self._writer.store_now([Cancel(number)], deadline))

    def _cancelled(self, number: int, answer: Answer) -> bool:
        if number not in answer:
            raise TaskNotFound(f"no task {shown(number)} in {self.path}")
        if answer[number]:
            self._connection.look()
        return answer[number]

    @property
    def flights(self) -> Flights:
        """The requests and inline tasks in this process."""
        return self._watch.flights

    def begin_watch(self) -> None:
        """Watch the running event loop, if that has not begun: an app that is mounted has no lifespan."""
        self._watch.begin()
        self.functions.begin()

    async def serve_lifespan(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the lifespan on, and open and close with it."""
        if this.is_child:
            await app(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._start()
            elif message["type"].startswith("lifespan.shutdown"):
                self._watch.stop()
                await self._close_beside()
                self._watch.close()
            await send(message)

        self.ask_server()
        self._watch.begin()
        await app(scope, receive, watched)

    def ask_server(self) -> None:
        """Learn the app's name from the server, on its event loop."""
        self._identity.ask_server()

    def close(self, wait: float = 0.0) -> None:
        """Write what waits and say good-bye to the runner; `wait` seconds at most for the tasks that run."""
        self._resume.end()
        self._writer.close()
        self._connection.close(wait)

    async def _close_beside(self) -> None:
        try:
            await asyncio.to_thread(self.close, self.settings.stop_wait)
        except RuntimeError:  # no thread can be started: the server stops all the same, as fast as it can
            self.close()

    def _start(self) -> None:
        """Tasks that an earlier process left run from the start. The loop and the server wait for nothing of it."""
        self.functions.begin()
        for sentence in self._doubts:
            log.warning("%s", sentence)
        start_from(asyncio.get_running_loop(), OwnThread("outlast-start", self._resume_as_we_are))
        self._watch.serve()

    def _resume_as_we_are(self) -> None:
        """First find out which code this is: later it may be another one that stands in the files."""
        self._identity.deployment(self.settings)
        self._resume.run()

    def _note(self, incident: Incident) -> None:
        self.store_soon([Note(incident)])

    def _has_runner(self) -> bool:
        if not self.place.folder.exists():
            return False
        try:
            self._liveness = self._liveness or Liveness(self.place)
        except OSError:  # a folder that was made read-only: nobody can be asked
            return False
        return self._liveness.runner() is not None

    def _unfinished_in(self, journal: Journal) -> int:
        self.ids.rise_above(journal.newest())
        return journal.unfinished()

    def _new_journal(self) -> SqliteJournal:
        patience, is_shared = self.settings.store_deadline, self.place.is_shared
        return SqliteJournal(self.settings.url, patience=patience, is_shared=is_shared)

    def _new_task(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> NewTask:
        describe = self.functions.describe_now if mode_here() == REAL else self.functions.describe
        passed = callables_among(args, kwargs)
        described = describe(function, *passed)
        if described.inline_reason:
            raise NotStorable(described.inline_reason)
        for one in (function, *passed):
            self.functions.presume(one)
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
        )

    def _enter(self, journal: Journal, known: int) -> int:
        """In the writer's first transaction: this process gets its id, and the lock that shows it alive.

        Again, with the id that is known, when another journal has come to the path.
        """
        self._writer.home = self._identity.home(self.settings)
        if this.is_child:
            self.ids.belong_to(this.child_id)
            return this.child_id
        for doubt in doubts_about(self.path):
            log.warning("%s", doubt)
        self.ids.rise_above(journal.newest())
        self._process = journal.enter(ProcessEntry("web", os.getpid(), MACHINE, time.time()), known)
        with reached(self.path):
            self._liveness = self._liveness or Liveness(self.place)
            self._liveness.hold(self._process)
        self.ids.belong_to(self._process)
        return self._process

    def _stored(self) -> None:
        if this.is_child:
            this.wake_runner()
        elif self.settings.runner != "off":
            self._connection.wake()

    def _put_off(self, waiting: int) -> None:
        if not this.is_child:
            self._connection.tell_backlog(waiting)

    def _hello(self) -> Hello:
        environment = self._identity.environment(self.settings)
        if not environment.app:
            log.warning("%s", events.no_app_found())
        deployment = self._identity.deployment(self.settings)
        return Hello(self._process, VERSION, self._identity.serves, environment, self.place.address(), deployment)


def install(app: Starlette, /, **settings: Unpack[GivenSettings]) -> Outlast:
    """Give `app` (FastAPI or Starlette) background tasks that outlast its requests, its workers and its machine.

    `settings` are those of `outlast.settings.Settings`, for example `url` and `runner`. Installing twice is the
    same as once. Raises SettingsError for a setting that is not known, and for other settings the second time.
    """
    from outlast.request import hook
    from outlast.request.entrance import with_doorway

    known: Outlast | None = getattr(app.state, "outlast", None)
    if known is not None:
        known.refuse_other(settings)
        return known
    loaded = Settings.load(**settings)
    outlast = Outlast(replace(loaded, **this.overrides), app, name_of(sys._getframe(1)), asked=loaded)
    app.state.outlast = outlast
    this.installed.add(outlast)
    hook.install()
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: with_doorway(build(), outlast)  # type: ignore[method-assign]
    return outlast


def current() -> Outlast:
    """The Outlast of this request, else the only one installed in this process. Raises NotInstalled."""
    box = open_box()
    if box is not None and isinstance(box.outlast, Outlast):
        return box.outlast
    installed = list(this.installed)
    if len(installed) == 1:
        return installed[0]
    if not installed:
        raise NotInstalled("no app has outlast here: call outlast.install(app) first")
    raise NotInstalled(f"{len(installed)} apps of this process have outlast: use app.state.outlast of the one you mean")


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


def _caller() -> str:
    """File and line outside of outlast that asked for a task."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rpartition(os.sep)[2]}:{frame.f_lineno}"
