"""What earlier processes have left in the journal runs from a server's start on, without waiting for a new task."""

from __future__ import annotations

import threading
from collections.abc import Callable

from outlast.errors import JournalUnusable, StoreFailed
from outlast.events import hindrances, journal
from outlast.journal.contract import Journal
from outlast.journal.location import refusal_of, why_not_written
from outlast.journal.schedules import Declared
from outlast.journal.writer import Writer
from outlast.system.place import Place
from outlast.system.threads import BackOff
from outlast.web.connection import Connection

Look = Callable[[Journal], int]
Declare = Callable[[], Declared]


class Resume:
    """Looks how much is unfinished, by `look`, and lets the runner know that a server is there, and which schedules.

    Where there is a journal the runner starts with the server, so that what the app's lifespan does in the first task
    process is done when a server starts, and not beside the first task.
    A journal that refuses is tried again until it does not: locked, full, read-only.
    """

    def __init__(
        self, place: Place, writer: Writer, connection: Connection, look: Look, declare: Declare, deadline: float
    ) -> None:
        self._place = place
        self._writer = writer
        self._connection = connection
        self._look = look
        self._declare = declare
        self._deadline = deadline
        self._is_over = threading.Event()
        self._has_complained = False

    def run(self) -> None:
        """Until it has worked, or `end` is called. For a thread of its own: it waits for the journal."""
        pauses = BackOff()
        while not self._is_over.is_set():
            try:
                self._try()
            except (StoreFailed, JournalUnusable) as error:
                if not self._has_complained:
                    hindrances.NotResumed(str(error)).tell()
                self._has_complained = True
                self._is_over.wait(pauses.next())
            else:
                return

    def end(self) -> None:
        """The server stops."""
        self._is_over.set()

    def _try(self) -> None:
        if refused := refusal_of(self._place) or why_not_written(self._place):
            raise JournalUnusable(refused)
        declared = self._declare()
        if not (declared.schedules or self._place.journal.exists()):
            return
        count = self._writer.ask_now(self._look, self._deadline)
        journal.UnfinishedFound(self._place.journal, count).tell()
        if count or declared.schedules or self._connection.starts_runner or self._place.socket.exists():
            self._writer.store_now([declared], self._deadline)  # which gives this process its id
            if not self._is_over.is_set():
                self._connection.open()
        if self._has_complained:
            hindrances.Resumed(self._place.journal).tell()
