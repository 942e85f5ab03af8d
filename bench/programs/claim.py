"""Fills a journal with waiting tasks of mixed priorities, half of them with keys, and takes tasks from it in turns.

`python -m bench.programs.claim FOLDER ROWS [LINES]`: with LINES they wait behind limits, in so many lines.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from outlast.journal.contract import ProcessEntry
from outlast.journal.engines import open_journal
from outlast.journal.turn import RunnersJournal, Turn, Wanted
from outlast.system.deployment import NO_HOME
from outlast.tasks.ids import TaskIds
from outlast.tasks.limits import with_key
from outlast.tasks.options import with_options
from outlast.tasks.task import NO_OPTIONS, Claimed, End, Lane, NewTask, Settlement, State

TURNS = 50
AT_ONCE = 100  # tasks of one turn
BATCH = 5_000
PRIORITIES = (-10, -1, 0, 0, 1, 10)


def fill(journal: RunnersJournal, web: int, rows: int, lines: int) -> None:
    """As web workers do, in large batches."""
    ids = TaskIds()
    for start in range(0, rows, BATCH):
        tasks = [_task(ids, number, lines) for number in range(start, min(start + BATCH, rows))]
        with journal.transaction():
            journal.tasks.add(tasks, web)


def _task(ids: TaskIds, number: int, lines: int) -> NewTask:
    said = {"priority": PRIORITIES[number % len(PRIORITIES)]} | ({"key": f"key-{number}"} if number % 2 else {})
    arguments = json.dumps({"line": number % lines}) if lines else "{}"
    options = with_options(NO_OPTIONS, said | ({"concurrency": AT_ONCE, "limit_by": "line"} if lines else {}))
    options = replace(options, limits=with_key(options.limits, arguments))
    return NewTask(ids.next(), "app:send", arguments, Lane.LOOP, State.WAITING, time.time(), "GET /", options=options)


def turns(journal: RunnersJournal, runner: int) -> float:
    """Milliseconds of a turn that settles what the one before took, and takes as many; the median."""
    wanted, spent = Wanted([(Lane.LOOP, NO_HOME)], {Lane.LOOP: AT_ONCE}), []
    ended: list[Claimed] = []
    for _ in range(TURNS):
        began = time.perf_counter()
        settled = [Settlement(one.id, one.attempt, End.DONE, State.DONE) for one in ended]
        (taken,) = journal.turn(Turn(runner, ended=settled, wanted=[wanted])).taken
        spent.append((time.perf_counter() - began) * 1000)
        ended = list(taken.attempts)
        if len(ended) != AT_ONCE:
            raise AssertionError(f"{len(ended)} tasks came, not {AT_ONCE}: this measures something else")
    return median(spent[1:])


def main() -> None:
    """Print what was measured."""
    journal = open_journal(f"sqlite:///{Path(sys.argv[1]) / 'journal.db'}")
    journal.open()
    with journal.transaction():
        web, runner = (
            journal.processes.enter(ProcessEntry(kind, 1, "here", time.time())) for kind in ("web", "runner")
        )
    fill(journal, web, *map(int, sys.argv[2:]))
    print(json.dumps({"turn": turns(journal, runner)}))
    journal.close()


if __name__ == "__main__":
    main()
