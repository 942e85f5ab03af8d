"""`install(app)`: one Outlast per app, and what users ask of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import IO, TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack, overload

from outlast.errors import JournalUnusable, NotInstalled, QueueFull, SettingsError, StoreFailed
from outlast.functions.context.carry import Carry, refuse_meaningless
from outlast.functions.functions import Functions
from outlast.ids import number_of
from outlast.journal.contract import Cancel, Retry
from outlast.journal.read import TaskRecord, Which
from outlast.settings.given import GivenSettings
from outlast.settings.settings import Settings
from outlast.system.process import this
from outlast.tasks.every import Every
from outlast.tasks.options import GivenAtCall, nearer, with_options
from outlast.tasks.task import NO_OPTIONS, Call
from outlast.web.current import open_observer
from outlast.web.finding import Since, States, moment_of, most_of, states_of, texts_of
from outlast.web.handle import Handle
from outlast.web.identity import name_of
from outlast.web.installed import InstalledApp
from outlast.web.journal import Durable, Journal
from outlast.web.mode import journal_here
from outlast.web.outcomes import Outcomes
from outlast.web.pending import PendingTasks
from outlast.web.scheduling import Scheduling
from outlast.web.sequences import Chain

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.datastructures import UploadFile

    from outlast.board.guard import Guard
    from outlast.functions.stashed import StashedFile

P = ParamSpec("P")
T = TypeVar("T")
Async = Coroutine[Any, Any, T]
MOST_FOUND = 100  # tasks, if nothing else is said


class Outlast(InstalledApp):
    """What `install` makes of an app, and what may be asked of it. See `InstalledApp`."""

    def __init__(self, settings: Settings, app: object = None, carry: Carry = True, made_in: str = "") -> None:
        """`carry` as of `install`, which was called in `made_in`: `module:function()` or `module`."""
        super().__init__(settings, Functions(carry, settings.default_options()), app, made_in)
        self.asked_carry = carry
        self.carry = carry if isinstance(carry, Mapping) else {}  # what it says of single variables

    @overload
    async def enqueue(self, function: Callable[P, Async[T]], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    @overload
    async def enqueue(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    async def enqueue(self, function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Handle[Any]:
        """Store a task that runs at once, in or outside of a request.

        Raises NotStorable when it cannot travel, QueueFull when as many wait in its queue as may (in an endpoint that
        is answered 429, unless the app catches it), StoreFailed or JournalUnusable when it cannot be stored.
        """
        journal = self.journal
        (asked,) = await journal.enqueue(Chain(Call(function, args, kwargs)))
        return Handle(asked, journal)

    @overload
    def enqueue_sync(self, function: Callable[P, Async[T]], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    @overload
    def enqueue_sync(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    def enqueue_sync(self, function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Handle[Any]:
        """The same for code without an event loop. Blocks for one fsync."""
        journal = self.journal
        (asked,) = journal.enqueue_sync(Chain(Call(function, args, kwargs)))
        return Handle(asked, journal)

    async def cancel(self, task: int | str) -> bool:
        """Let a task not run, or stop it where it runs in a task process; `task` is its id, or the number of it.

        Returns whether it will not finish: False for one that has ended, or runs inline, in its web worker. One that
        runs is told to stop, and its process ended if it does not listen. Raises TaskNotFound, StoreFailed or
        JournalUnusable.
        """
        return await self.journal.tell(Cancel(number_of(task)))

    def cancel_sync(self, task: int | str) -> bool:
        """The same for code without an event loop. Blocks for one fsync."""
        return self.journal.tell_sync(Cancel(number_of(task)))

    async def retry(self, task: int | str) -> bool:
        """Let a task run again that has ended or is parked; `task` is its id, or the number of it.

        Its history stays, and its attempts count on. Returns whether it waits now: False for one that has not ended, or
        ran inline, in its web worker. Raises TaskNotFound, StoreFailed or JournalUnusable.
        """
        return await self.journal.tell(Retry(number_of(task)))

    def retry_sync(self, task: int | str) -> bool:
        """The same for code without an event loop. Blocks for one fsync."""
        return self.journal.tell_sync(Retry(number_of(task)))

    async def get(self, task: int | str) -> Handle:
        """The handle of a task; `task` is its id, or the number of it. Raises TaskNotFound, or JournalUnusable."""
        found = Handle(number_of(task), self.journal)
        await found.status()
        return found

    def get_sync(self, task: int | str) -> Handle:
        """The same for code without an event loop."""
        found = Handle(number_of(task), self.journal)
        found.status_sync()
        return found

    async def find(
        self, *, state: States = (), since: Since = None, limit: int = MOST_FOUND, **which: Unpack[Which]
    ) -> list[TaskRecord]:
        """Tasks of the journal, the newest first, at most `limit`.

        state: one, such as "failed", or several; all if none is given. since: when they were added, or how long ago, at
        most. which: see `Which`. Raises OptionError for what no task can have, such as a state that there is not, and
        JournalUnusable.
        """
        return await asyncio.to_thread(self.find_sync, state=state, since=since, limit=limit, **which)

    def find_sync(
        self, *, state: States = (), since: Since = None, limit: int = MOST_FOUND, **which: Unpack[Which]
    ) -> list[TaskRecord]:
        """The same for code without an event loop."""
        asked, names = (states_of(state), most_of(limit), moment_of(since)), texts_of(which)
        return self.journal.outcomes(self).find(*asked, **names)

    def options(self, **options: Unpack[GivenAtCall]) -> Asking:
        """To be called as `outlast.options(retries=3).enqueue(...)`: in place of what the function's decorator says.

        options: those of `outlast.tasks.options.GivenAtCall`. Raises OptionError.
        """
        return Asking(lambda: self, options)

    @property
    def schedules(self) -> Scheduling:
        """What its code schedules at run time."""
        return Scheduling(self.journal)

    @property
    def journal(self) -> Journal:
        """Where its tasks go, as code that runs here asks for them."""
        return journal_here()(self)

    def close(self, wait: float = 0.0) -> None:
        """Write what waits and say good-bye to the runner; `wait` seconds at most for the tasks that run."""
        self.service.hang_up(wait)


class Asking:
    """Asks for tasks outside of requests, with options; see `Outlast.options`."""

    def __init__(self, app: Callable[[], Outlast], options: Mapping[str, Any]) -> None:
        with_options(NO_OPTIONS, options)
        self._app = app
        self._options = options

    def options(self, **options: Unpack[GivenAtCall]) -> Asking:
        """The same with more options, which hold where both say something. Raises OptionError."""
        return Asking(self._app, nearer(self._options, options))

    @overload
    async def enqueue(self, function: Callable[P, Async[T]], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    @overload
    async def enqueue(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    async def enqueue(self, function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Handle[Any]:
        """See `Outlast.enqueue`."""
        journal = self._app().journal
        (asked,) = await journal.enqueue(Chain(Call(function, args, kwargs, self._options)))
        return Handle(asked, journal)

    @overload
    def enqueue_sync(self, function: Callable[P, Async[T]], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    @overload
    def enqueue_sync(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    def enqueue_sync(self, function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Handle[Any]:
        """See `Outlast.enqueue_sync`."""
        journal = self._app().journal
        (asked,) = journal.enqueue_sync(Chain(Call(function, args, kwargs, self._options)))
        return Handle(asked, journal)


def install(
    app: Starlette,
    /,
    *,
    carry: Carry = True,
    dashboard: str = "",
    dashboard_guard: Guard | None = None,
    **settings: Unpack[GivenSettings],
) -> Outlast:
    """Give `app` (FastAPI or Starlette) background tasks that outlast its requests, its workers and its machine.

    carry: which context variables come along with tasks. True: all whose values can travel of those that the modules
        of the project and of libraries hold; False: none. A dict says it of single ones, by variable, by path
        (`module:name`), or by module or package: `{tenant: True, session: False, "some_library": False}`. True also
        adds a variable that no module holds under a name, and warns whenever its value cannot travel.
    dashboard: the path at which the app shows its dashboard, such as `/outlast`; none if it is empty.
    dashboard_guard: says who may see it; see `outlast.dashboard`.
    settings: those of `outlast.settings.settings.Settings`, for example `url` and `runner`.

    Installing twice is the same as once. Raises SettingsError for a setting that is not known, for a `carry` that means
    nothing, and for other settings the second time, and TypeError for what is no app.
    """
    from outlast.web import hook
    from outlast.web.entrance import Refusal, with_doorway

    if not hasattr(app, "build_middleware_stack"):
        raise TypeError(f"install() takes the app itself, FastAPI(...) or Starlette(...), not {app!r:.100}")
    refuse_meaningless(carry)
    known: Outlast | None = getattr(app.state, "outlast", None)
    if known is not None:
        _refuse_other(known, settings, carry)
        _refuse_late(dashboard, dashboard_guard)
        return known
    outlast = Outlast(Settings.load(**settings), app, carry, name_of(sys._getframe(1)))
    app.state.outlast = this.apps.newest = outlast
    this.apps.installed.add(outlast)
    hook.install()
    for kind in (QueueFull, StoreFailed, JournalUnusable):
        app.exception_handlers.setdefault(kind, Refusal(outlast))
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: with_doorway(build(), outlast, app.router)  # type: ignore[method-assign]
    if dashboard or dashboard_guard is not None:
        from outlast.board.board import mount

        mount(app, dashboard, dashboard_guard)
    return outlast


def _refuse_late(dashboard: str, guard: Guard | None) -> None:
    if guard is not None and not dashboard:
        raise SettingsError(
            "this app has outlast already, and install(app, dashboard_guard=...) would guard nothing: say it in the "
            "first call, beside dashboard=..."
        )
    if dashboard:
        raise SettingsError(
            f"this app has outlast already, and install(app, dashboard={dashboard!r}) would add nothing: say it in the "
            f"first call, or app.mount({dashboard!r}, outlast.dashboard(app))"
        )


def _refuse_other(known: Outlast, given: GivenSettings, carry: Carry) -> None:
    """Raises SettingsError if one of `given`, or a `carry` that says something, is not what the app has."""
    again = Settings.load(**given)
    both: dict[str, Any] = {name: (getattr(known.asked, name), getattr(again, name)) for name in given}
    if carry is not True:
        both["carry"] = known.asked_carry, carry
    for name, (before, after) in both.items():
        if before != after:
            raise SettingsError(
                f"this app has outlast already, with {name} = {before!r}, and install(app, {name}={after!r}) would "
                "change nothing: call outlast.install(app) once, with all settings"
            )


def current() -> Outlast:
    """The Outlast of this request, else of the app whose lifespan is open, else of the newest. Raises NotInstalled."""
    observer = open_observer()
    if isinstance(observer, PendingTasks) and isinstance(observer.journal.app, Outlast):
        return observer.journal.app
    serving = [one.app for one in this.apps.serving if isinstance(one.app, Outlast)]
    if len(serving) > 1 and journal_here() is Durable:
        raise NotInstalled(
            f"{len(serving)} apps of this process have outlast: use app.state.outlast of the one you mean"
        )
    found = serving[-1] if serving else this.apps.newest
    if found is None:
        raise NotInstalled("no app has outlast here: call outlast.install(app) first")
    return found


def outcomes_of(app: Outlast) -> Outcomes:
    """How it is found out what became of its tasks, as code that runs here asks for them."""
    return journal_here()(app).outcomes(app)


@overload
async def enqueue(function: Callable[P, Async[T]], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
@overload
async def enqueue(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
async def enqueue(function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Handle[Any]:
    """Store a task that runs at once, from anywhere in async code. See `Outlast.enqueue`."""
    return await current().enqueue(function, *args, **kwargs)


@overload
def enqueue_sync(function: Callable[P, Async[T]], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
@overload
def enqueue_sync(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
def enqueue_sync(function: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Handle[Any]:
    """Store a task that runs at once, from anywhere in code without an event loop. See `Outlast.enqueue_sync`."""
    return current().enqueue_sync(function, *args, **kwargs)


def options(**options: Unpack[GivenAtCall]) -> Asking:
    """For tasks that are asked for outside of requests. See `Outlast.options`."""
    return Asking(current, options)


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


async def get(task: int | str) -> Handle:
    """The handle of a task, by its id. See `Outlast.get`."""
    return await current().get(task)


def get_sync(task: int | str) -> Handle:
    """The same for code without an event loop. See `Outlast.get_sync`."""
    return current().get_sync(task)


async def find(
    *, state: States = (), since: Since = None, limit: int = MOST_FOUND, **which: Unpack[Which]
) -> list[TaskRecord]:
    """Tasks of the journal, the newest first. See `Outlast.find`."""
    return await current().find(state=state, since=since, limit=limit, **which)


def find_sync(
    *, state: States = (), since: Since = None, limit: int = MOST_FOUND, **which: Unpack[Which]
) -> list[TaskRecord]:
    """The same for code without an event loop. See `Outlast.find_sync`."""
    return current().find_sync(state=state, since=since, limit=limit, **which)


async def schedule(name: str, when: Every, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> None:
    """Let `function` run by itself from now on, with these arguments. See `Scheduling.put`."""
    await current().schedules.put(name, when, function, *args, **kwargs)


def schedule_sync(name: str, when: Every, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> None:
    """The same for code without an event loop. See `Scheduling.put_sync`."""
    current().schedules.put_sync(name, when, function, *args, **kwargs)


async def unschedule(name: str) -> bool:
    """Let what was scheduled at run time not run any more. See `Scheduling.remove`."""
    return await current().schedules.remove(name)


def unschedule_sync(name: str) -> bool:
    """The same for code without an event loop. See `Scheduling.remove_sync`."""
    return current().schedules.remove_sync(name)


async def stash(
    source: UploadFile | IO[bytes] | bytes | bytearray, *, filename: str | None = None, content_type: str | None = None
) -> StashedFile:
    """Keep a file beside the journal for the tasks that what this returns is passed to, as often as you like.

    source: an uploaded file, a file that is open to be read in binary, or bytes. filename, content_type: in place of
    those of the upload. It is written to disk piece by piece, and removed when all these tasks have ended for good, or
    when none was stored that had it.

    Raises NotStorable for what is no such file, or one larger than setting `max_stash`, StoreFailed when it cannot be
    written, such as to a full disk, and JournalUnusable; then nothing is left of it.
    """
    from outlast.web.stash import stash_for

    return await stash_for(current().journal, source, filename, content_type)
