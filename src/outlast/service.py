"""What is open for an app: its way into the journal and to the runner, and the watch over its event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import replace

from outlast import events, waits
from outlast.callbacks import wanted_states
from outlast.connection import Connection
from outlast.discovery import is_lifespan_off
from outlast.engines.contract import Journal, Note, ProcessEntry
from outlast.engines.opening import reached
from outlast.engines.place import doubts_about, place_of
from outlast.engines.sqlite import SqliteJournal
from outlast.engines.writer import Writer
from outlast.farewell import Farewell
from outlast.forks import OfOneProcess
from outlast.hello import VERSION, Environment, Hello
from outlast.identity import Identity
from outlast.incidents import Incident
from outlast.liveness import Liveness, liveness_here
from outlast.logs.example import told_format
from outlast.logs.server import begin_server_log
from outlast.logs.setup import told_setup
from outlast.names import is_in_program, why_not_imported
from outlast.process import this
from outlast.resume import Resume
from outlast.runner.recovery import MACHINE
from outlast.settings import Settings
from outlast.tasks import TaskIds
from outlast.threads import OwnThread, start_from
from outlast.web_watch import WebWatch

log = logging.getLogger("outlast")


class Service(OfOneProcess):
    """Opens nothing before the first task, the first lifespan or the first request of a server that sends none.

    For one journal, that of `settings`; `identity` says which app this is.
    """

    def __init__(self, settings: Settings, ids: TaskIds, identity: Identity) -> None:
        self.settings = settings
        self.place = place_of(settings)
        self._ids = ids
        self._identity = identity
        identity.begin_anew(settings.app)
        self._liveness: Liveness | None = None
        self._process = 0
        self._has_begun = False
        self._has_lifespan = True  # as far as is known: task processes follow the server
        self.is_over = False
        self.writer = Writer(self._new_journal(), self._enter, self._stored, self._put_off)
        self.connection = Connection(self.place, self._hello, starts_runner=settings.runner == "auto")
        self._resume = Resume(self.place, self.writer, self.connection, self._unfinished_in, settings.store_deadline)
        self.watch = WebWatch(settings, self.place, self._note, self._has_runner)
        self.farewell = Farewell(
            self.place.journal, self.connection, settings.runner, lambda: identity.serves or this.is_child
        )
        this.forks.tell(self)
        this.services.add(self)

    def after_fork_in_child(self) -> None:
        """A forked process is another one, and its locks are its own."""
        self._liveness = None
        self._process = 0

    def enter(self) -> None:
        """A server is about to start the app, on the running loop."""
        self._has_begun = True
        self.ask_server()
        begin_server_log()
        self.watch.begin()

    def begin(self) -> bool:
        """A request is served, on the running loop; whether it is the first, and nobody has entered before."""
        if self._has_begun:
            return False
        self._has_begun = True
        self.ask_server()
        self._has_lifespan = not is_lifespan_off() and self._identity.is_mounted
        self.watch.begin(self._say_good_bye)
        self.serve()
        return True

    def _say_good_bye(self) -> None:
        """The server stops, without a lifespan: this process may end at any moment, and that is in order."""
        self.connection.close()
        self.watch.close()

    def ask_server(self) -> None:
        """Learn the app's name from the server, on its event loop."""
        self._identity.ask_server()

    def serve(self) -> None:
        """It has started: what an earlier process left runs now. The loop and the server wait for nothing of it."""
        start_from(asyncio.get_running_loop(), OwnThread("outlast-start", self._resume_as_we_are))
        self.watch.serve()

    def _resume_as_we_are(self) -> None:
        """First find out which code this is: later it may be another one that stands in the files."""
        self._identity.deployment(self.settings)
        self._resume.run()

    async def leave(self) -> None:
        """The server stops, in order. On its loop."""
        self.is_over = True
        self.watch.stop()
        try:
            await asyncio.to_thread(self.close, self.settings.stop_wait)
        except RuntimeError:  # no thread can be started: the server stops all the same, as fast as it can
            self.close()

    def hang_up(self, wait: float = 0.0) -> None:
        """Write what waits and say good-bye to the runner; `wait` seconds at most for the tasks that run."""
        self._resume.end()
        self.writer.close()
        self.connection.close(wait)

    def close(self, wait: float = 0.0) -> None:
        """All of it, from any thread."""
        self.hang_up(wait)
        self.watch.close()
        self._liveness = None

    def _note(self, incident: Incident) -> None:
        self.writer.store_soon([Note(incident)])

    def _has_runner(self) -> bool:
        if not self.place.folder.exists():
            return False
        try:
            self._liveness = self._liveness or liveness_here(self.place)
        except OSError:  # a folder that was made read-only: nobody can be asked
            return False
        return self._liveness.runner() is not None

    def _unfinished_in(self, journal: Journal) -> int:
        self._ids.rise_above(journal.newest())
        return journal.unfinished()

    def _new_journal(self) -> SqliteJournal:
        patience, is_shared = self.settings.store_deadline, self.place.is_shared
        return SqliteJournal(self.settings.url, patience=patience, is_shared=is_shared)

    def _enter(self, journal: Journal, known: int) -> int:
        """In the writer's first transaction: this process gets its id, and the lock that shows it alive.

        Again, with the id that is known, when another journal has come to the path.
        """
        self.writer.home = self._identity.home(self.settings)
        if this.is_child:
            self._ids.belong_to(this.child_id)
            return this.child_id
        for doubt in doubts_about(self.place.journal):
            log.warning("%s", doubt)
        self._ids.rise_above(journal.newest())
        if wanted := wanted_states():
            journal.listen(wanted)
        self._process = journal.enter(ProcessEntry("web", os.getpid(), MACHINE, time.time()), known)
        with reached(self.place.journal):
            self._liveness = self._liveness or liveness_here(self.place)
            self._liveness.hold(self._process)
        self._ids.belong_to(self._process)
        return self._process

    def _stored(self) -> None:
        if this.is_child:
            this.wake_runner()
        elif self.settings.runner != "off":
            self.connection.wake()

    def _put_off(self, waiting: int) -> None:
        if not this.is_child:
            self.connection.tell_backlog(waiting)

    def _settings_of_children(self) -> Settings:
        """They enter the app's lifespan where the server does."""
        follows = self.settings.child_lifespan == "true" and not self._has_lifespan
        return replace(self.settings, child_lifespan="false") if follows else self.settings

    def _hello(self) -> Hello:
        name = self._identity.app_name
        if name and is_in_program(name) and (why := why_not_imported()):
            log.warning("%s", waits.without_app(why))
            name = ""
        elif not name:
            log.warning("%s", events.no_app_found())
        here = Environment.here(name, self._settings_of_children())
        environment = replace(here, logging=told_setup(), lines=told_format(), listens=bool(wanted_states()))
        deployment = self._identity.deployment(self.settings)
        return Hello(self._process, VERSION, self._identity.serves, environment, self.place.address(), deployment)
