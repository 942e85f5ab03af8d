"""The ASGI wrapper around an app: tasks are stored when the response starts, and let go when the call is over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio

from outlast import hindrances
from outlast.errors import IdTaken, JournalUnusable, StoreFailed
from outlast.process import Mode, Served, this
from outlast.request.box import Box
from outlast.request.fate import Ended, Ending
from outlast.request.inline import surface
from outlast.request.mode import INLINE, REAL, is_on_asyncio, mode_of
from outlast.request.site import Warnings
from outlast.text import MOST_NAME, in_one_line, one_line
from outlast.watch.flights import SCOPE_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from outlast.engines.contract import Add
    from outlast.request.entry import Entry
    from outlast.request.store import Store

_SORRY = b"The background tasks of this request could not be stored, so none of them will run. Try again later.\n"


class Doorway:
    """Wraps an ASGI app: what its requests add as background tasks goes to the journal of `outlast`."""

    def __init__(self, app: ASGIApp, outlast: Store) -> None:
        self.app = app
        self._outlast = outlast
        self._warnings = Warnings()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await HttpCall(self.box(scope), receive, send).run(self.app, scope)
            case "websocket":
                await WebSocketCall(self.box(scope), receive, send).run(self.app, scope)
            case "lifespan":
                await self._serve(scope, receive, send)
            case _:
                await self.app(scope, receive, send)

    def _mode(self, scope: Scope) -> Mode:
        """As tests want it, or real; but where asyncio does not run, as with FastAPI alone."""
        mode = mode_of(scope)
        if mode == REAL and not is_on_asyncio():
            self._warnings.say_once(hindrances.runs_on_trio())
            return INLINE
        return mode

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        served = Served(self._outlast, self._mode(scope))
        this.serving.append(served)
        try:
            if served.mode == REAL:
                await self._outlast.serve_lifespan(self.app, scope, receive, send)
            else:
                await self.app(scope, receive, send)
        finally:
            this.serving.remove(served)

    def box(self, scope: Scope) -> Box:
        """One for a call of the app."""
        mode = self._mode(scope)
        if mode == REAL:
            self._outlast.begin_watch()
        origin = one_line(f"{scope.get('method', 'WEBSOCKET')} {scope['path']}", MOST_NAME)
        return Box(self._outlast, origin, mode, scope["type"] == "http", self._warnings)


class Call:
    """One call of the app, with the box that its tasks are put into."""

    def __init__(self, box: Box, receive: Receive, send: Send) -> None:
        self.box = box
        self._receive = receive
        self._send = send

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Call the app, then say what becomes of its tasks. What the app raises passes through."""
        flights = self.box.outlast.flights
        self.box.flight = scope[SCOPE_KEY] = flight = flights.begin(self.box.origin)
        try:
            await self._run(app, scope)
        finally:
            flights.end(flight)
        surface(self.box.errors)

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            with self.box.open():
                await app(scope, self.receive, self.send)
        except BaseException as error:
            await self.finish(error)
            raise
        await self.finish(None)

    async def finish(self, error: BaseException | None) -> None:
        """The app has returned, or raised `error`."""
        await self.box.finish(self.ending(error))

    async def receive(self) -> Message:
        """What the app gets to read with."""
        return await self._receive()

    async def send(self, message: Message) -> None:
        """What the app gets to write with."""
        await self._send(message)

    def ending(self, error: BaseException | None) -> Ending:
        """How the call ended."""
        return Ending.of(error, None, self.box.status)


class HttpCall(Call):
    """A request: its tasks are on disk before the response starts, and wait until it is over."""

    _refused_by: OSError | None = None

    async def send(self, message: Message) -> None:
        """Pass messages on; none of a response whose tasks could not be stored."""
        if not self.box.status and message["type"] == "http.response.start":
            await self._start(message)
        elif not self.box.refused:
            await self._pass(message)

    def ending(self, error: BaseException | None) -> Ending:
        """How the call ended: a client that is gone shows in what the server raises from `send`."""
        return Ending.of(error, self._refused_by, self.box.status)

    async def _start(self, message: Message) -> None:
        self.box.leave()
        entries = await self._offerable()
        if not entries or await self._stored(entries):
            self.box.status = message["status"]
            await self._pass(message)
        else:
            await self._refuse()

    async def _offerable(self) -> Sequence[Entry]:
        """The tasks to be stored, once it is known how they will run: others may be added until then."""
        entries = self.box.offerable()
        while not all(map(self.box.knows, entries)):
            await self.box.look_into(entries)
            entries = self.box.offerable()
        return entries

    async def _pass(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError as error:
            self._refused_by = error
            raise

    async def _stored(self, entries: Sequence[Entry]) -> bool:
        """Whether the response may be sent."""
        try:
            await self._store(entries, await self.box.offer(entries))
        except (StoreFailed, JournalUnusable) as error:
            return self._goes_on_without(entries, error)
        self.box.warnings.is_well()
        self.box.hold(entries, recorded=True)
        return True

    async def _store(self, entries: Sequence[Entry], changes: Sequence[Add]) -> None:
        """With another id where one is taken."""
        try:
            await self.box.journal.store(changes)
        except IdTaken as error:
            anew = self.box.offer_anew(entries, changes, error.ids)
            if not anew:
                raise
            await self.box.journal.store(anew)

    def _goes_on_without(self, entries: Sequence[Entry], error: Exception) -> bool:
        """The journal did not take them. Those that would run inline anyway can do so without."""
        inline = all(self.box.plan_of(entry).is_inline for entry in entries)
        if not inline and self.box.outlast.settings.on_store_error == "refuse":
            self.box.warnings.complain(f"{self.box.origin} is answered 503, its {_unstored(entries)}: {error}")
            return False
        complaint = f"{self.box.origin}: its {_unstored(entries)}, so they run inline, unrecorded: {error}"
        self.box.warnings.complain(complaint)
        self.box.hold_inline(entries, in_one_line(error))
        return True

    async def _refuse(self) -> None:
        """Answer in place of the app."""
        self.box.status = 503
        self.box.refused = True
        wait = max(1, math.ceil(self.box.outlast.settings.store_deadline))
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(_SORRY)),
            (b"retry-after", b"%d" % wait),
        ]
        await self._pass({"type": "http.response.start", "status": 503, "headers": headers})
        await self._pass({"type": "http.response.body", "body": _SORRY})


class WebSocketCall(Call):
    """A WebSocket: its tasks go at once, and are on disk before the next message in either direction."""

    async def receive(self) -> Message:
        """Wait for the journal, then for the client."""
        await self._confirm()
        return await self._receive()

    async def send(self, message: Message) -> None:
        """Wait for the journal, then tell the client."""
        await self._confirm()
        await self._send(message)

    async def finish(self, error: BaseException | None) -> None:
        """Starlette's TestClient cancels the call when it closes the WebSocket: tasks in tests run all the same."""
        if self.box.mode == INLINE:
            with anyio.CancelScope(shield=True):
                await self.box.finish(Ending(Ended.RETURNED, 0))
        else:
            await super().finish(error)

    def ending(self, error: BaseException | None) -> Ending:
        """How the call ended: a WebSocket has no response that an error could take back."""
        ending = super().ending(error)
        return Ending(Ended.RETURNED, 0) if ending.ended is Ended.RAISED else ending

    async def _confirm(self) -> None:
        """Nothing is said before the tasks are on disk. Raises StoreFailed or JournalUnusable."""
        if self.box.unconfirmed:
            try:
                await self.box.journal.store([])
            except (StoreFailed, JournalUnusable) as error:
                self._goes_on_without(error)
            self.box.unconfirmed = False

    def _goes_on_without(self, error: Exception) -> None:
        """The tasks are not lost by that: storing them is tried until it is done."""
        if self.box.outlast.settings.on_store_error == "refuse":
            raise error
        self.box.warnings.complain(f"{self.box.origin} goes on although its tasks are not stored yet: {error}")


def _unstored(entries: Sequence[Entry]) -> str:
    names = ", ".join(entry.plan.function for entry in entries if entry.plan is not None)
    return f"background task{'s' * (len(entries) > 1)} could not be stored ({names})"
