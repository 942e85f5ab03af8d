"""What earlier processes have left in the journal runs from a server's start on, without waiting for a new task."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from outlast import events, hindrances
from outlast.connection import Connection
from outlast.engines.contract import Journal
from outlast.engines.place import refusal_of, why_not_written
from outlast.engines.writer import Writer
from outlast.errors import JournalUnusable, StoreFailed
from outlast.place import Place
from outlast.threads import BackOff

log = logging.getLogger("outlast")
Look = Callable[[Journal], int]


class Resume:
    """Looks how much is unfinished, by `look`, and lets the runner know that a server is there.

    Where there is a journal the runner starts with the server, so that what the app's lifespan does in the first task
    process is done when a server starts, and not beside the first task.
    A journal that refuses is tried again until it does not: locked, full, read-only.
    """

    def __init__(self, place: Place, writer: Writer, connection: Connection, look: Look, deadline: float) -> None:
        self._place = place
        self._writer = writer
        self._connection = connection
        self._look = look
        self._deadline = deadline
        self._is_over = threading.Event()
        self._complaint = ""

    def run(self) -> None:
        """Until it has worked, or `end` is called. For a thread of its own: it waits for the journal."""
        pauses = BackOff()
        while not self._is_over.is_set():
            try:
                self._try()
            except (StoreFailed, JournalUnusable) as error:
                self._complain(str(error))
                self._is_over.wait(pauses.next())
            else:
                return

    def end(self) -> None:
        """The server stops."""
        self._is_over.set()

    def _try(self) -> None:
        if refused := refusal_of(self._place) or why_not_written(self._place):
            raise JournalUnusable(refused)
        if not self._place.journal.exists():
            return
        count = self._writer.ask_now(self._look, self._deadline)
        log.info("%s", events.unfinished_found(self._place.journal, count))
        if count or self._connection.starts_runner or self._place.socket.exists():
            self._writer.store_now([], self._deadline)  # which gives this process its id
            if not self._is_over.is_set():
                self._connection.open()
        if self._complaint:
            log.warning("%s", hindrances.resumed(self._place.journal))

    def _complain(self, what: str) -> None:
        if not self._complaint:
            log.error("%s", hindrances.not_resumed(what))
        self._complaint = what
