"""An app that has outlast, and what is open for it: from the start of its server to the end, and again for the next."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outlast.events.hindrances import Doubt
from outlast.functions.functions import Functions
from outlast.journal.contract import Change
from outlast.journal.engines import open_history
from outlast.journal.submissions import Answer
from outlast.settings.settings import Settings
from outlast.settings.unread import names_given_to_one_app, unknown_variables, unread_variables
from outlast.system.process import this
from outlast.tasks.ids import TaskIds
from outlast.watch.flights import Flights
from outlast.web.call_site import Warnings
from outlast.web.declaring import Declaring
from outlast.web.identity import Identity
from outlast.web.lookout import Lookout
from outlast.web.service import Service


class InstalledApp:
    """With the settings that it was `asked` for. Nothing is opened, started or locked before the first task.

    before: the context in which outlast was installed; what was set by then is the process's. declared: gives the
    schedules that its code has.
    """

    def __init__(self, asked: Settings, functions: Functions, app: object = None, made_in: str = "") -> None:
        """`install` was called for `app` in `made_in`: `module:function()` or `module`."""
        self.asked = asked
        self.functions = functions
        self.ids = TaskIds()
        self.warnings = Warnings()
        self.before = copy_context()
        self._identity = Identity(weakref.ref(app) if app is not None else lambda: None, made_in)
        self._doubts = [*unknown_variables(os.environ), *unread_variables(os.environ), *names_given_to_one_app(asked)]
        self.declared = Declaring(functions)
        self._open_anew()

    def _open_anew(self) -> None:
        self._overrides = this.overrides
        settings = replace(self.asked, **self._overrides)
        self._service = Service(settings, self.ids, self._identity, self.declared)
        self._lookout = Lookout(lambda: open_history(settings.url, settings.redact))

    @property
    def app(self) -> object:
        """The user's; None if it is gone."""
        return self._identity.app

    @property
    def service(self) -> Service:
        """What is open now: of the test that runs, if that has settings of its own."""
        if self._overrides is not this.overrides:
            self._service.close()
            self._open_anew()
        return self._service

    @property
    def settings(self) -> Settings:
        """Those of `install`, but for what a test has put in their place."""
        return self.service.settings

    @property
    def path(self) -> Path:
        """The journal's."""
        return self.service.place.journal

    @property
    def lookout(self) -> Lookout:
        """Who looks into the journal for all who wait."""
        assert self.service  # noqa: S101 - opened anew for a test that has a journal of its own
        return self._lookout

    @property
    def flights(self) -> Flights:
        """The requests and inline tasks in this process."""
        return self.service.watch.flights

    async def store(self, changes: Sequence[Change]) -> Answer:
        """Durable when it returns, with all that was submitted before.

        Raises StoreFailed or JournalUnusable within `store_deadline` seconds. Tasks that got in all the same, then or
        when it is cancelled, are dropped.
        """
        return await self.service.writer.store(changes, self.settings.store_deadline)

    def store_now(self, changes: Sequence[Change]) -> Answer:
        """The same for code without an event loop. Blocks for one fsync."""
        return self.service.writer.store_now(changes, self.settings.store_deadline)

    def store_soon(self, changes: Sequence[Change]) -> None:
        """In the order in which they are submitted, tried again until it is done; nobody waits. From any thread."""
        self.service.writer.store_soon(changes)

    def begin(self) -> None:
        """A request is here. The first one begins what a lifespan would have: a server may send none, as to an app
        that is mounted in another."""
        if self.service.begin():
            self._has_begun()

    async def serve_lifespan(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the lifespan on, and open and close with it."""
        if this.role.is_child:
            await app(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._has_begun()
                service.serve()
            elif message["type"].startswith("lifespan.shutdown"):
                await service.leave()
                self.declared.rest()
            await send(message)

        if self.service.is_over:  # of the lifespan before
            self._open_anew()
        service = self.service
        service.enter()
        await app(scope, receive, watched)

    def _has_begun(self) -> None:
        self.functions.begin()
        for sentence in self._doubts:
            Doubt(sentence).tell()
