"""What is open for an app: its way into the journal and to the runner, and the watch over its event loop."""

from __future__ import annotations

import asyncio
import gc

from outlast.events import processes
from outlast.journal.contract import Journal
from outlast.journal.engines import open_journal
from outlast.journal.location import place_of
from outlast.journal.writer import Writer
from outlast.logs.server import begin_server_log
from outlast.settings.settings import Settings
from outlast.system.process import this
from outlast.system.threads import OwnThread, start_from
from outlast.tasks.ids import TaskIds
from outlast.watch.incident import Incident
from outlast.web.connection import Connection
from outlast.web.farewell import Farewell
from outlast.web.identity import Identity
from outlast.web.introduction import introduction
from outlast.web.membership import Membership
from outlast.web.resume import Declare, Resume
from outlast.web.server import Host
from outlast.web.watch import WebWatch
from outlast.wire.hello import Hello


class Service:
    """Opens nothing before the first task, the first lifespan or the first request of a server that sends none.

    For one journal, that of `settings`; `identity` says which app this is, `declare` which schedules it has.
    """

    def __init__(self, settings: Settings, ids: TaskIds, identity: Identity, declare: Declare) -> None:
        self.settings = settings
        self.place = place_of(settings)
        self.membership = Membership(self.place, ids)
        self._identity = identity
        identity.begin_anew(settings.app)
        self._has_begun = False
        self._has_lifespan = True  # as far as is known: task processes follow the server
        self.is_over = False
        journal = open_journal(settings.url, patience=settings.store_deadline, is_shared=self.place.is_shared)
        self.writer = Writer(journal, self._enter, self._stored, self._put_off)
        self.connection = Connection(self.place, self._hello, starts_runner=settings.runner == "auto")
        self._resume = Resume(
            self.place, self.writer, self.connection, self.membership.unfinished_in, declare, settings.store_deadline
        )
        self.watch = WebWatch(settings, self.place, self._note, self.membership.has_runner)
        self.farewell = Farewell(settings, self.connection, lambda: identity.serves or this.role.is_child)
        this.apps.services.add(self)

    def enter(self) -> None:
        """A server is about to start the app, on the running loop."""
        self._has_begun = True
        self._identity.host = host = Host.here()
        begin_server_log()
        self.watch.begin(host)

    def begin(self) -> bool:
        """A request is served, on the running loop; whether it is the first, and nobody has entered before."""
        if self._has_begun:
            return False
        self._has_begun = True
        self._identity.host = host = Host.here()
        self._has_lifespan = host.has_lifespan and self._identity.is_mounted
        self.watch.begin(host, self._say_good_bye)
        self.serve()
        return True

    def _say_good_bye(self) -> None:
        """The server stops, without a lifespan: this process may end at any moment, and that is in order."""
        self.connection.close()
        self.watch.close()

    def serve(self) -> None:
        """It has started: what an earlier process left runs now. The loop and the server wait for nothing of it."""
        begin_server_log()  # the lifespan may have set up logging
        start_from(asyncio.get_running_loop(), OwnThread("outlast-start", self._resume_as_we_are))
        self.watch.serve()
        if self.settings.gc_freeze and not this.mode:
            _freeze_heap()

    def _resume_as_we_are(self) -> None:
        """First find out which code this is: later it may be another one that stands in the files."""
        self._identity.deployment(self.settings)
        if changed := self._identity.changed_since_fork():
            processes.CodeOutdated(changed).tell()
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
        self.membership.leave()

    def _note(self, incident: Incident) -> None:
        self.writer.store_soon([incident])

    def _enter(self, journal: Journal, known: int) -> int:
        """In the writer's first transaction, and in the first one of each journal that comes to its path."""
        self.writer.belong_to(self._identity.home(self.settings), self.settings.max_waiting)
        return self.membership.enter(journal, known)

    def _stored(self) -> None:
        if this.role.is_child:
            this.role.wake_runner()
        elif self.settings.runner != "off":
            self.connection.wake()

    def _put_off(self, waiting: int) -> None:
        if not this.role.is_child:
            self.connection.tell_backlog(waiting)

    def _hello(self) -> Hello:
        process, has_lifespan = self.membership.process, self._has_lifespan
        return introduction(process, self._identity, self.settings, self.place, has_lifespan=has_lifespan)


def _freeze_heap() -> None:
    """What the imports and the lifespan have made stays, so no collection has to look at it again.

    Full collections, of 25 to 117 ms each, were what the slowest percent of the requests waited for (measured): each
    request that waits for its journal survives young collections, and every thousand of them made a full one.
    """
    gc.collect()
    gc.freeze()
