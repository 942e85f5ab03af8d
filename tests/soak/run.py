"""One soak: a server, its clients, a killer, and the check in the end."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outlast.engines.opening import connect
from outlast.errors import JournalUnusable
from outlast.tasks import State
from tests.soak.check import Recorded, Seen, violations
from tests.soak.clients import Clients
from tests.soak.plan import planned
from tests.support.servers import Server, eventually, serving

EVERY = 2.0  # seconds between two kills
SOON = 0.05  # seconds, where there was nobody to kill
KINDS = ("child", "runner", "web")
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
                os.kill(self._chance.choice(living), signal.SIGKILL)
                self.kills[kind] += 1
                return True
        return False


def soak(folder: Path, count: int, seed: int) -> Report:
    """Run `count` tasks in `folder` and check what came of them."""
    shutil.copy(Path(__file__).with_name("app.py"), folder / "main.py")
    plan = planned(count, seed)
    more = ("-w", "2", "-t", "60", "--log-level", "warning")
    settings = {"OUTLAST_KEEP_DONE_COUNT": str(10 * count)}
    began = time.monotonic()
    with serving("gunicorn uvicorn_worker", folder, *more, **settings) as server:
        clients, killer = Clients(server.port, plan), Killer(server, seed)
        clients.start()
        eventually(lambda: not clients.are_busy, "everything was asked for", within=count * 0.1 + 60)
        killer.stop()
        with suppress(AssertionError):  # what is left is said by the check
            eventually(server.answers, "the server answers")
            eventually(lambda: not unfinished(server), "everything has ended", within=SETTLING_TIME + count * SLOWEST)
        seconds = time.monotonic() - began
        seen = Seen(plan, clients.answered, *witnessed(folder), recorded(server.journal), killer.kills["child"])
    repeated = sum(times > 1 for times in seen.began.values())
    return Report(seconds, len(clients.answered), repeated, killer.kills, violations(seen))


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
        word, number = line.split()
        (began if word == "began" else ran)[int(number)] += 1
    return began, ran


def recorded(journal: Path) -> dict[int, Recorded]:
    """Every task of the journal by its number."""
    connection = connect(journal, patience=5.0, read_only=True)
    try:
        events: defaultdict[int, list[tuple[str, int, str]]] = defaultdict(list)
        for task, kind, attempt, reason in connection.execute(
            "SELECT task, kind, attempt, reason FROM event ORDER BY seq"
        ):
            events[int(str(task))].append((str(kind), int(str(attempt)), str(reason or "")))
        tasks: list[Any] = connection.execute("SELECT id, state, crashes, arguments FROM task").fetchall()
    finally:
        connection.close()
    return {
        int(json.loads(str(arguments))["number"]): Recorded(State(state).label, int(str(crashes)), tuple(events[task]))
        for task, state, crashes, arguments in tasks
    }
