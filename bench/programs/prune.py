"""Fills a journal of the version before with finished tasks, brings it forward, and prunes it in slices.

`python -m bench.programs.prune FOLDER ROWS`
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from statistics import median

import apsw

from outlast.journal.contract import ProcessEntry
from outlast.journal.sqlite.journal import SqliteJournal
from outlast.journal.sqlite.opening import connect
from outlast.journal.sqlite.pruning import Pruner
from outlast.journal.sqlite.schema import STEPS
from outlast.journal.turn import Retention, Turn, Wanted
from outlast.system.deployment import NO_HOME
from outlast.tasks.task import End, Lane, NewTask, Settlement, State

SLICES = 100
BATCH = 200
DAY = 86_400.0
KEEP_ALL = Retention(10 * DAY, 100_000, 100 * DAY)
KEEP_HALF = Retention(0.5 * DAY, 100_000, 100 * DAY)  # of the tasks of a day; the failed ones stay
NUMBERS = "WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < ?2) "
TASKS = """
INSERT INTO task (id, state, lane, calling, attempt, created_at, started_at, ended_at, function, arguments, origin)
SELECT i, iif(i % 50 = 0, 4, 3), 'loop', 'loop', 1, ended, ended, ended, 'app:send', '{"to":12345}', 'GET /'
FROM (SELECT i, ?1 + i * 86400.0 / ?2 AS ended FROM number)"""
EVENTS = """
INSERT INTO event (task, at, kind, attempt)
SELECT i, ?1, kind, 1 FROM number, (SELECT 'started' AS kind UNION ALL SELECT 'done')"""


def fill(path: Path, rows: int, now: float) -> None:
    """A journal of version 2, with tasks that ended within a day, one in fifty failed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    with connection:
        for step in STEPS[:2]:
            connection.execute(files("outlast.journal.sqlite").joinpath(step).read_text())
        connection.pragma("user_version", 2)
        connection.execute(NUMBERS + TASKS, (now - DAY, rows))
        connection.execute(NUMBERS + EVENTS, (now, rows))
    connection.close()


def milliseconds(began: float) -> float:
    """Since `began`."""
    return (time.perf_counter() - began) * 1000


def slice_of(journal: SqliteJournal, pruner: Pruner, keep: Retention) -> tuple[float, float, int]:
    """How long pruning itself took under the lock (ms), how much of that on a processor, and how much went."""
    with journal.transaction():
        began, at_work = time.perf_counter(), time.thread_time()
        gone = pruner.prune(keep)
        return milliseconds(began), (time.thread_time() - at_work) * 1000, gone


def settle_rate(journal: SqliteJournal, runner: int, first: int) -> float:
    """Microseconds for each task of a batch that is settled as done, without the commit."""
    settle_batch(journal, runner, first)  # prepares the statements anew, after the schema has changed
    return settle_batch(journal, runner, first + BATCH)


def settle_batch(journal: SqliteJournal, runner: int, first: int) -> float:
    """The same for one batch."""
    tasks = [NewTask(first + one, "app:send", "{}", Lane.LOOP, State.WAITING, 1.0, "GET /") for one in range(BATCH)]
    with journal.transaction():
        journal.tasks.add(tasks, runner)
    wanted = Wanted([(Lane.LOOP, NO_HOME)], {Lane.LOOP: BATCH})
    (taken,) = journal.turn(Turn(runner, wanted=[wanted])).taken
    with journal.transaction():
        began = time.perf_counter()
        journal.attempts.settle([Settlement(one.id, one.attempt, End.DONE, State.DONE) for one in taken.attempts])
        return milliseconds(began) * 1000 / BATCH


def settling(journal: SqliteJournal, path: Path, rows: int) -> dict[str, float]:
    """With the index and without, in turns."""
    with journal.transaction():
        runner = journal.processes.enter(ProcessEntry("runner", 1, "bench", time.time()))
    connection = connect(path, 5.0)
    made_by = str(next(iter(connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'ended'")))[0])
    found: dict[str, list[float]] = {"with_index": [], "without_index": []}
    for turn in range(10):
        found["with_index"].append(settle_rate(journal, runner, rows + turn * 4 * BATCH + 1))
        connection.execute("DROP INDEX ended")
        found["without_index"].append(settle_rate(journal, runner, rows + (turn * 4 + 2) * BATCH + 1))
        connection.execute(made_by)
    connection.close()
    return {name: median(values) for name, values in found.items()}


def main(path: Path, rows: int) -> None:
    """Print what was found."""
    now = time.time()
    fill(path, rows, now)
    journal = SqliteJournal(f"sqlite:///{path}")
    began = time.perf_counter()
    journal.open()
    made = milliseconds(began) / 1000
    began = time.perf_counter()
    beyond = journal.tasks.surplus(KEEP_ALL.count)
    counted = milliseconds(began)
    pruner = Pruner(journal.connection)
    vain = max(slice_of(journal, pruner, KEEP_ALL)[0] for _ in range(SLICES))
    slices = [slice_of(journal, pruner, replace(KEEP_HALF, beyond=beyond)) for _ in range(SLICES)]
    found = {"slice": max(took for took, _, _ in slices), "at_work": max(spent for _, spent, _ in slices)}
    found["tasks"] = median(gone for _, _, gone in slices)
    found |= {"vain": vain, "count": counted, "made": made} | settling(journal, path, rows)
    journal.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]) / ".outlast" / "journal.db", int(sys.argv[2]))
