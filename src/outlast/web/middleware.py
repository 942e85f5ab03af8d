"""The ASGI wrapper around an app: tasks are stored when the response starts, and let go when the call is over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio

from outlast.errors import JournalUnusable, QueueFull, StoreFailed
from outlast.events import requests
from outlast.system.process import this
from outlast.text import MOST_NAME, in_one_line, one_line
from outlast.watch.flights import SCOPE_KEY
from outlast.web.current import current_observer
from outlast.web.fate import Ended, Ending
from outlast.web.journal import Durable, Journal, Running
from outlast.web.mode import is_on_asyncio, journal_of
from outlast.web.pending import PendingTasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from outlast.web.entry import Entry
    from outlast.web.installed import InstalledApp

_SORRY = b"The background tasks of this request could not be stored, so none of them will run. Try again later.\n"
FULL = b"Too many tasks wait already, so none of this request will run. Try again later.\n"


class Doorway:
    """Wraps an ASGI app: what its requests add as background tasks goes to the journal of `installed`."""

    def __init__(self, app: ASGIApp, installed: InstalledApp) -> None:
        self.app = app
        self._installed = installed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await HttpCall(self.pending(scope), receive, send).run(self.app, scope)
            case "websocket":
                await WebSocketCall(self.pending(scope), receive, send).run(self.app, scope)
            case "lifespan":
                await self._serve(scope, receive, send)
            case _:
                await self.app(scope, receive, send)

    def pending(self, scope: Scope) -> PendingTasks:
        """Those of a call of the app, which begins."""
        journal = self._journal(scope)
        if journal.records:
            journal.app.begin()
        origin = one_line(f"{scope.get('method', 'WEBSOCKET')} {scope['path']}", MOST_NAME)
        return PendingTasks(journal, origin, waits=scope["type"] == "http")

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        journal = self._journal(scope)
        this.apps.serving.append(journal)
        try:
            if journal.records:
                await journal.app.serve_lifespan(self.app, scope, receive, send)
            else:
                await self.app(scope, receive, send)
        finally:
            this.apps.serving.remove(journal)

    def _journal(self, scope: Scope) -> Journal:
        """As tests want it, or the real one; but where asyncio does not run, as with FastAPI alone."""
        kind = journal_of(scope)
        if kind is Durable and not is_on_asyncio():
            self._installed.warnings.once.tell(requests.RunsOnTrio())
            kind = Running
        return kind(self._installed)


class Call:
    """One call of the app, with the tasks that are added in it."""

    def __init__(self, pending: PendingTasks, receive: Receive, send: Send) -> None:
        self.pending = pending
        self.journal = pending.journal
        self.origin = pending.preparation.origin
        self._receive = receive
        self._send = send
        self._refused_by: OSError | None = None

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Call the app, then say what becomes of its tasks. What the app raises passes through."""
        flights = self.journal.app.flights
        self.pending.flight = scope[SCOPE_KEY] = flight = flights.begin(self.origin)
        try:
            await self._run(app, scope)
        finally:
            flights.end(flight)
        if not self.journal.records:
            await self.journal.over(self.pending.errors)

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        token = current_observer.set(self.pending)
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            current_observer.reset(token)
            await self.finish(error)
            raise
        current_observer.reset(token)
        await self.finish(None)

    async def finish(self, error: BaseException | None) -> None:
        """The app has returned, or raised `error`."""
        self.pending.closed = True
        if self.pending.sightings:
            await self.pending.finish(self.ending(error))

    async def receive(self) -> Message:
        """What the app gets to read with."""
        return await self._receive()

    async def send(self, message: Message) -> None:
        """What the app gets to write with."""
        await self._send(message)

    def ending(self, error: BaseException | None) -> Ending:
        """How the call ended: a client that is gone shows in what the server raises from `send`."""
        return Ending.of(error, self._refused_by, self.pending.status)


class HttpCall(Call):
    """A request: its tasks are on disk before the response starts, and wait until it is over."""

    _is_answered = False

    async def send(self, message: Message) -> None:
        """Pass messages on; none of a response whose tasks could not be stored."""
        if self.pending.status:
            if self._is_answered:
                return
        elif message["type"] == "http.response.start" and not await self._may_start(message["status"]):
            return
        try:
            await self._send(message)
        except OSError as error:
            self._refused_by = error
            raise

    async def _may_start(self, status: int) -> bool:
        """Whether the response may be sent: its tasks are stored, or it can do without. Else another one was."""
        if self.pending.sightings and not self.pending.refused:
            self.pending.leave()
            try:
                await self.pending.store()
            except QueueFull as error:
                self.journal.app.warnings.complain(f"{self.origin} is answered 429, none of its tasks runs: {error}")
                await self._refuse(429, error.retry_after, FULL)
                return False
            except (StoreFailed, JournalUnusable) as error:
                if not self._goes_on_without(self.pending.offered, error):
                    await self._refuse(503, self.journal.app.settings.store_deadline, _SORRY)
                    return False
        self.pending.start(status)
        return True

    def _goes_on_without(self, entries: Sequence[Entry], error: Exception) -> bool:
        """The journal did not take them. Those that would run inline anyway can do so without."""
        inline = all(self.pending.preparation.plan_of(entry).is_inline for entry in entries)
        if not inline and self.journal.app.settings.on_store_error == "refuse":
            self.journal.app.warnings.complain(f"{self.origin} is answered 503, its {_unstored(entries)}: {error}")
            return False
        complaint = f"{self.origin}: its {_unstored(entries)}, so they run inline, unrecorded: {error}"
        self.journal.app.warnings.complain(complaint)
        self.pending.hold_inline(in_one_line(error))
        return True

    async def _refuse(self, status: int, seconds: float, text: bytes) -> None:
        """Answer in place of the app: another try is worth it after so many seconds."""
        self.pending.start(status)
        self.pending.refused = self._is_answered = True
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(text)),
            (b"retry-after", in_seconds(seconds).encode()),
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": text})


class WebSocketCall(Call):
    """A WebSocket: its tasks go at once, and are on disk before the next message in either direction."""

    async def receive(self) -> Message:
        """Wait for the journal, then for the client."""
        await self._confirm()
        return await self._receive()

    async def send(self, message: Message) -> None:
        """Wait for the journal, then tell the client."""
        await self._confirm()
        await super().send(message)

    async def finish(self, error: BaseException | None) -> None:
        """The app has returned, or raised `error`; a client may have cancelled the call by leaving it."""
        if self.journal.outlives_call:
            with anyio.CancelScope(shield=True):
                await self.pending.finish(Ending(Ended.RETURNED, 0))
        else:
            await super().finish(error)

    def ending(self, error: BaseException | None) -> Ending:
        """How the call ended: a WebSocket has no response that an error could take back."""
        ending = super().ending(error)
        return Ending(Ended.RETURNED, 0) if ending.ended is Ended.RAISED else ending

    async def _confirm(self) -> None:
        """Nothing is said before the tasks are on disk. Raises StoreFailed or JournalUnusable."""
        if self.pending.unconfirmed:
            try:
                await self.journal.store([])
            except (StoreFailed, JournalUnusable) as error:
                self._goes_on_without(error)
            self.pending.unconfirmed = False

    def _goes_on_without(self, error: Exception) -> None:
        """The tasks are not lost by that: storing them is tried until it is done."""
        if self.journal.app.settings.on_store_error == "refuse":
            raise error
        self.journal.app.warnings.complain(f"{self.origin} goes on although its tasks are not stored yet: {error}")


def in_seconds(seconds: float) -> str:
    """As `Retry-After` says it."""
    return str(max(1, math.ceil(seconds)))


def _unstored(entries: Sequence[Entry]) -> str:
    return requests.unstored([entry.plan.function for entry in entries if entry.plan is not None])
