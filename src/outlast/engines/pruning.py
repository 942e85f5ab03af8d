"""What is past keeping goes, found by indexes, in slices that hold the write lock for a few milliseconds."""

from __future__ import annotations

import json
import time

import apsw

from outlast.engines import statements as sql
from outlast.engines.contract import Retention
from outlast.engines.untold import keep_newest

SLICE = 0.003  # seconds of deleting in one transaction, which has other things to write, too
STEP = 16  # tasks deleted between two looks at the clock
FUNCTIONS_KEPT = 90 * 86_400.0  # seconds from the last task of a function, or its last stall, on


def surplus(connection: apsw.Connection, count: int) -> int:
    """The newest done task beyond the newest `count` of them; 0 if there are no more than those.

    Walks over as many entries of an index: to be asked now and then, outside of a transaction.
    """
    row = connection.execute(sql.SURPLUS, (count,)).fetchone()
    return int(row[0]) if row else 0


def prune(connection: apsw.Connection, keep: Retention, limit: int, now: float, beyond: int) -> int:
    """Forget up to `limit` tasks, incidents and processes; returns how many it were. `beyond` is from `surplus`."""
    gone, deadline = 0, time.monotonic() + SLICE
    bounds = (now - keep.done, now - keep.failed, beyond)
    while gone < limit and time.monotonic() < deadline:
        tasks = [task for (task,) in connection.execute(sql.PRUNE, (*bounds, min(STEP, limit - gone)))]
        if not tasks:
            connection.execute(sql.PRUNE_FUNCTIONS, (now - FUNCTIONS_KEPT,))
            return gone + _prune_past(connection, now - keep.failed, limit - gone)
        connection.execute(sql.PRUNE_EVENTS, (json.dumps(tasks),))
        gone += len(tasks)
    return gone


def _prune_past(connection: apsw.Connection, before: float, limit: int) -> int:
    keep_newest(connection)
    incidents = connection.execute(sql.PRUNE_INCIDENTS, (before, limit)).fetchall()
    return len(incidents) + len(connection.execute(sql.PRUNE_PROCESSES, (before, limit)).fetchall())
