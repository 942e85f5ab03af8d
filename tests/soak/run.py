"""One soak: a server, its clients, a killer, and the check in the end."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outlast.errors import JournalUnusable
from outlast.ids import shown
from outlast.journal.read import History
from outlast.journal.sqlite.opening import connect
from outlast.tasks.task import State
from tests.soak.check import Recorded, Seen, violations, wrong_ticks
from tests.soak.clients import Clients
from tests.soak.plan import LAST_LINK, planned, with_links
from tests.support.history import history_of
from tests.support.servers import WITH_SPARE, WORK, Server, eventually, serving

EVERY = 2.0  # seconds between two kills
SOON = 0.05  # seconds, where there was nobody to kill
KINDS = ("child", "runner", "web")
TICK = "main:tick"
SETTLING_TIME = 120.0  # seconds from the last answer until nothing is left to do, and for each task
SLOWEST = 0.003  # more: those that run alone run two at a time, and many of them end their process


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it. `kills` are by kind of process."""

    seconds: float
    answered: int
    repeated: int
    kills: Counter[str]
    violations: list[str]


class Killer:
    """SIGKILL to one process at a time, until told to stop."""

    def __init__(self, server: Server, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self.killed_children: set[int] = set()
        self._server = server
        self._chance = random.Random(seed)  # noqa: S311 - nothing is secret here
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY if self._has_killed() else SOON):
            continue

    def _has_killed(self) -> bool:
        """Whether there was a process of the kind that its turn has come for; the first dies as soon as there is."""
        kind = self._chance.choice(KINDS)
        with suppress(JournalUnusable, ProcessLookupError, OSError):
            living = self._server.living(kind)
            if living:
                pid = self._chance.choice(living)
                os.kill(pid, signal.SIGKILL)
                self.kills[kind] += 1
                self.killed_children |= {pid} if kind == "child" else set()
                return True
        return False


def soak(folder: Path, count: int, seed: int) -> Report:
    """Run `count` tasks in `folder` and check what came of them."""
    shutil.copy(Path(__file__).with_name("app.py"), folder / "main.py")
    shutil.copy(WORK, folder)
    plan = planned(count, seed)
    more = ("-w", "2", "-t", "60", "--log-level", "warning")
    settings = {"OUTLAST_KEEP_DONE_COUNT": str(10 * count)}
    began = time.monotonic()
    with serving("gunicorn uvicorn_worker", folder, *more, **settings, **WITH_SPARE) as server:
        clients, killer = Clients(server.port, plan), Killer(server, seed)
        clients.start()
        eventually(lambda: not clients.are_busy, "everything was asked for", within=count * 0.1 + 60)
        killer.stop()
        with suppress(AssertionError):  # what is left is said by the check
            eventually(server.answers, "the server answers")
            eventually(lambda: not unfinished(server), "everything has ended", within=SETTLING_TIME + count * SLOWEST)
        seconds = time.monotonic() - began
        answered = clients.answered | {number + LAST_LINK for number in clients.answered}
        seen = Seen(with_links(plan), answered, *witnessed(folder), recorded(server.journal), killer.killed_children)
        wrong = [*violations(seen), *wrong_ticks(*ticks(server.journal))]
    repeated = sum(times > 1 for times in seen.began.values())
    return Report(seconds, len(clients.answered), repeated, killer.kills, wrong)


def ticks(journal: Path) -> tuple[list[tuple[float, int]], dict[int, str]]:
    """Each tick of the schedule with its task, and the states of all tasks of the schedule."""
    connection = connect(journal, patience=5.0, read_only=True)
    try:
        found: list[Any] = connection.execute("SELECT at, task FROM tick ORDER BY at").fetchall()
        tasks: list[Any] = connection.execute("SELECT id, state FROM task WHERE function = ?", (TICK,)).fetchall()
    finally:
        connection.close()
    return found, {task: State(state).label for task, state in tasks}


def unfinished(server: Server) -> int:
    connection = connect(server.journal, patience=5.0, read_only=True)
    try:
        rows: list[Any] = connection.execute("SELECT count(*) FROM task WHERE state <= 2").fetchall()
        return int(rows[0][0])
    finally:
        connection.close()


def witnessed(folder: Path) -> tuple[Counter[int], Counter[int]]:
    """How often each number has begun, and run to its end."""
    began: Counter[int] = Counter()
    ran: Counter[int] = Counter()
    for line in (folder / "witness.log").read_text().splitlines():
        word, number, _ = line.split()
        (began if word == "began" else ran)[int(number)] += 1
    return began, ran


def recorded(journal: Path) -> dict[int, Recorded]:
    """Every task of the journal by its number."""
    connection = connect(journal, patience=5.0, read_only=True)
    try:
        query = "SELECT id, state, crashes, arguments FROM task WHERE function != ?"
        tasks: list[Any] = connection.execute(query, (TICK,)).fetchall()
    finally:
        connection.close()
    history = history_of(journal)
    return {
        int(json.loads(str(arguments))["name"]): Recorded(State(state).label, int(str(crashes)), story(history, task))
        for task, state, crashes, arguments in tasks
    }


def story(history: History, task: int) -> tuple[tuple[str, int, str], ...]:
    """All that happened to a task, as (kind, attempt, reason)."""
    return tuple((one.kind, one.attempt, one.reason) for one in history.task(shown(task)).events)
