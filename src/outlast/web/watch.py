"""The watch of a web worker: who blocks its event loop, and, when it starts, who has killed those before it."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from functools import partial

from outlast.events import deaths, words
from outlast.journal.location import refusal_of
from outlast.settings.settings import Settings
from outlast.system.kernel import start_of
from outlast.system.place import Place
from outlast.system.threads import OwnThread, start_from
from outlast.watch.flights import Flights, InFlight
from outlast.watch.incident import Incident
from outlast.watch.layout import LifeState, Server
from outlast.watch.post_mortem import has_run_out, incident_of, witnessed
from outlast.watch.recovered import Remains, of_the_dead
from outlast.watch.reporter import Reporter
from outlast.watch.watch import Duty, Watch
from outlast.web.current import current_observer
from outlast.web.server import Host

PREFIX = "web-"
END_SEEN_WITHIN = 0.05  # seconds: a stop of uvicorn's takes twice as long, at least


class WebWatch:
    """`note` stores an incident; `has_runner` tells whether a runner looks after the dead, which knows more of them."""

    def __init__(
        self, settings: Settings, place: Place, note: Callable[[Incident], None], has_runner: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._place = place
        self._note = note
        self._has_runner = has_runner
        self._watch = Watch(words.WEB_WORKER)
        self._is_wanted = settings.watch
        self._own = ""
        self._is_kept = threading.Event()

    @property
    def flights(self) -> Flights:
        """What is in flight in this web worker."""
        return self._watch.flights

    @property
    def box(self) -> str:
        """The name of its black box; empty without one."""
        path = self._watch.box_path
        return path.name if path is not None else ""

    @property
    def remains(self) -> Remains | None:
        """What that box has in it by now; None without one."""
        return self._watch.remains

    def begin(self, host: Host, farewell: Callable[[], None] | None = None) -> None:
        """Watch the running loop, which is that of `host`, once. On it.

        farewell: called when the server stops and nothing is in flight any more, where no lifespan tells of that.
        """
        if not self._is_wanted:
            return
        self._is_wanted = False
        keeper = OwnThread("outlast-box", partial(self._keep_box, host.server))
        start_from(asyncio.get_running_loop(), keeper)
        reporter = Reporter(words.WEB_WORKER, os.getpid(), self._note)
        duty = Duty(self._settings.stall_after, reporter.tell, _flight_of, is_stopping=host.is_stopping)
        if farewell is not None:
            ends = partial(self._await_end, host.is_stopping, farewell)
            duty = replace(duty, on_beat=ends, every=END_SEEN_WITHIN)
        self._watch.begin(duty)

    def _keep_box(self, server: Server) -> None:
        """Files are made and read for that, so not on the loop."""
        if not refusal_of(self._place):
            self._own = f"{PREFIX}{os.getpid()}-{start_of(os.getpid())}-"
            self._watch.keep_box(self._place.file(f"{self._own}{secrets.token_hex(4)}.box"), server=server)
        self._is_kept.set()

    def _await_end(self, is_stopping: Callable[[], bool], farewell: Callable[[], None]) -> None:
        if is_stopping():
            self.flights.when_empty(farewell)

    def serve(self) -> None:
        """It has started. What those before it have died of is found out beside that. On the loop."""
        self._watch.enter(LifeState.SERVING)
        if self._settings.watch:
            start_from(asyncio.get_running_loop(), OwnThread("outlast-post-mortem", self._report_dead))

    def stop(self) -> None:
        """Its stop begins."""
        self._watch.enter(LifeState.STOPPING)

    def close(self) -> None:
        """It ends in order. On the loop."""
        self._watch.close()

    def _report_dead(self) -> None:
        self._is_kept.wait()
        if not self._own or self._has_runner():
            return
        found = of_the_dead(self._place.state, self._place.prefix + PREFIX, self._place.prefix + self._own)
        for remains in found.remains:
            self._note(incident_of(witnessed(remains, None, out_of_memory=has_run_out(remains))))
        if found.unread:
            deaths.OldBoxes(found.unread, self._place.state).tell()
        if found.foreign:
            deaths.ForeignBoxes(found.foreign, self._place.state).tell()


def _flight_of(context: Context) -> InFlight | None:
    """The request that code in this context belongs to."""
    observer = context.get(current_observer)
    return observer.flight if observer is not None else None
