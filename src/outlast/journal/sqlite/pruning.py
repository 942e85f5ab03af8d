"""What is past keeping goes, found by indexes, in slices that hold the write lock for a few milliseconds."""

from __future__ import annotations

import json
import time

from outlast.journal.sqlite import gates, keys, logs, sequels
from outlast.journal.sqlite import statements as sql
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.untold import keep_newest
from outlast.journal.turn import Retention

SLICE = 0.003  # seconds of deleting in one transaction, which has other things to write, too
STEP = 16  # tasks deleted between two looks at the clock
FUNCTIONS_KEPT = 90 * 86_400.0  # seconds from the last task of a function, or its last stall, on


class Pruner:
    """Goes by the wall clock, but never ahead of the time that has passed since this was made.

    Somebody may set the clock forth, and back again.
    """

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        self._gate = 0  # the last that was looked at
        self._began = file.clock() - time.monotonic()

    def prune(self, keep: Retention) -> int:
        """Forget what is past keeping, in a short time; returns how many tasks, incidents and processes it were."""
        now = min(self._file.now, self._began + time.monotonic())
        connection, limit = self._file.opened, keep.most
        gone, deadline = 0, time.monotonic() + SLICE
        bounds = (now - keep.done, now - keep.failed, keep.beyond)
        has_keys = keys.are_there(connection)
        others = [one for one in (sequels, logs) if one.are_there(connection)]
        while gone == 0 or (gone < limit and time.monotonic() < deadline):
            tasks = [task for (task,) in connection.execute(sql.PRUNE, (*bounds, min(STEP, limit - gone)))]
            if not tasks:
                connection.execute(sql.PRUNE_FUNCTIONS, (now - FUNCTIONS_KEPT,))
                keys.end(connection, now, limit)
                self._gate = gates.forget(connection, now, self._gate, STEP)
                return gone + self._prune_past(now - keep.failed, limit - gone)
            connection.execute(sql.PRUNE_EVENTS, (json.dumps(tasks),))
            if has_keys:
                keys.forget(connection, tasks, now)
            for one in others:
                one.forget(connection, tasks)
            gone += len(tasks)
        return gone

    def _prune_past(self, before: float, limit: int) -> int:
        connection = self._file.opened
        keep_newest(connection)
        incidents = connection.execute(sql.PRUNE_INCIDENTS, (before, limit)).fetchall()
        return len(incidents) + len(connection.execute(sql.PRUNE_PROCESSES, (before, limit)).fetchall())
