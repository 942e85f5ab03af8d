"""The life of a task process: import the app, wait until it is needed, enter its lifespan, run attempts, leave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from outlast.child.code import ImportedCode
from outlast.child.contexts import Contexts
from outlast.child.inbox import Inbox
from outlast.child.lanes import Lanes
from outlast.child.lifespan import StartFailed, entered_lifespan
from outlast.child.outbox import Outbox
from outlast.child.parting import cancel_the_rest
from outlast.child.shared_loop import LoopKeeper, SharedLoop
from outlast.child.started import Forecast, Standing, started_since
from outlast.child.watch import ChildWatch
from outlast.child.whereabouts import told_where
from outlast.events import processes, starts
from outlast.system.process import adopt, this
from outlast.text import in_one_line, is_a, said_by, traceback_of
from outlast.watch.layout import LifeState
from outlast.watch.site import site_of
from outlast.watch.watch import Watch
from outlast.wire.hello import Environment

Lifespan = contextlib.AbstractAsyncContextManager[None]


class CannotStart(Exception):
    """What user code has raised at the start; its text is what the runner is told."""


class Life:
    """Lived on the loop."""

    def __init__(
        self, loop: SharedLoop, environment: Environment, code: ImportedCode, inbox: Inbox, outbox: Outbox, watch: Watch
    ) -> None:
        self._loop = loop
        self._environment = environment
        self._code = code
        self._inbox = inbox
        self._outbox = outbox
        self._watch = watch

    async def live(self) -> None:
        """Until this process has nothing left to do."""
        try:
            await self._begin()
        except CannotStart as error:
            self._outbox.send({"type": "broken", "why": str(error)})
        self._watch.close()

    async def _begin(self) -> None:
        app, forecast = await self._import()
        if await self._inbox.is_needed():
            before = Standing.now()
            lifespan = await self._enter(app)
            started = await started_since(before)
            await self._serve(starts.lifespan_started(self._environment.lifespan, started, forecast.places))
            await self._leave(lifespan)

    async def _import(self) -> tuple[Any, Forecast]:
        before = Standing.now()
        with self._reporting(why_not_imported):
            app = self._code.load(self._environment)
        adopt(app)
        self._inbox.serve(self._code, self._outbox)
        forecast = Forecast(app, self._environment, is_new=self._code.is_new)
        remark = starts.import_started(self._environment.app, await started_since(before))
        self._watch.enter(LifeState.RESTING)
        self._outbox.send({"type": "imported", "remarks": [remark, *forecast.repeats]})
        return app, forecast

    async def _enter(self, app: Any) -> Lifespan:
        self._watch.enter(LifeState.STARTING)
        with self._reporting(why_not_entered):
            lifespan = entered_lifespan(app, self._environment.settings.child_lifespan, self._loop.guarded)
            await lifespan.__aenter__()
            self._code.follow_logging()
        return lifespan

    async def _serve(self, remark: str) -> None:
        if self._environment.declares and (app := this.apps.newest) is not None:
            app.store_soon([await asyncio.to_thread(app.declared)])
        lanes = self._inbox.lanes = self._lanes()
        self._watch.enter(LifeState.SERVING)
        self._inbox.teller.begin(self._outbox, is_expected=self._environment.listens)
        self._outbox.send({"type": "ready", "remarks": [remark]})
        await self._inbox.parting.wait_for(lanes)
        await self._inbox.teller.finish()
        self._loop.keep(None)

    async def _leave(self, lifespan: Lifespan) -> None:
        self._watch.enter(LifeState.STOPPING)
        try:
            await lifespan.__aexit__(None, None, None)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code, which may raise anything
            processes.LifespanFailed().tell(error)
        if self._inbox.parting.is_hurried:
            await cancel_the_rest()

    def _lanes(self) -> Lanes:
        """Where attempts run from now on, and are watched."""
        settings, contexts = self._environment.settings, Contexts(self._code.context)
        lanes = Lanes(self._loop, settings.thread_slots, contexts, self._watch.flights, self._outbox)
        lanes.functions.max_result = settings.max_result
        self._outbox.milestones.max_log = settings.max_log
        child_watch = ChildWatch(self._watch, lanes, self._outbox, settings.stall_after)
        lanes.busy = child_watch.look
        self._loop.keep(LoopKeeper(lanes.here, self._outbox, child_watch.again))
        return lanes

    @contextlib.contextmanager
    def _reporting(self, why: Callable[[BaseException, Environment], str]) -> Iterator[None]:
        """User code runs here: the runner is told where it stands, and what it raises. Raises CannotStart."""
        try:
            with told_where(self._outbox):
                yield
        except (Exception, SystemExit) as error:
            raise CannotStart(why(error, self._environment)) from error


def why_not_imported(error: BaseException, environment: Environment) -> str:
    """The exception and its line in one sentence, then the whole traceback for the log."""
    return _told(starts.import_broke, environment.app, error)


def why_not_entered(error: BaseException, environment: Environment) -> str:
    """The same of one that the app has met at its start."""
    if is_a(error, StartFailed):  # it has told it, instead of raising it
        *more, what = said_by(error).splitlines()
        return "\n".join([starts.lifespan_broke(environment.lifespan, what, ""), *more, what])
    return _told(starts.lifespan_broke, environment.lifespan, error)


def _told(sentence: Callable[[str, str, str], str], what: str, error: BaseException) -> str:
    site = None if is_a(error, SyntaxError) else site_of(error)  # that names its place itself
    where = f"{site.file}:{site.line}" if site else ""
    return f"{sentence(what, in_one_line(error), where)}\n{traceback_of(error, skip=1).rstrip()}"
