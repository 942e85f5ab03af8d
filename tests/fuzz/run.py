"""One fuzz run: a server with two workers, clients that send odd requests, and the check in the end."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outlast.journal.sqlite.opening import connect
from outlast.tasks.task import State
from outlast.watch.incident import IncidentKind
from tests.fuzz.check import Recorded, Seen, violations
from tests.fuzz.clients import Clients, latency, status_of
from tests.fuzz.odd import requests
from tests.soak.run import unfinished
from tests.support.history import history_of
from tests.support.servers import PYTHON, WITH_SPARE, Server, eventually, serving

SETTLING_TIME = 120.0  # seconds from the last answer until nothing is left to do
SETTINGS = {"OUTLAST_KEEP_DONE_COUNT": "100000000", "OUTLAST_MAX_CHILDREN": "2"}
WARM_UP = b"POST /keep/0/warm-up HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
_NUMBER = re.compile(r"POST /[a-z]+/(?:[a-z-]+/)?(?P<number>\d+)/")
COMMANDS = (["list", "--limit", "500"], ["list", "--limit", "500", "--json"], ["status"], ["explain"])


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it. `answers` counts statuses, `ends` states of tasks; latencies are medians in seconds."""

    seconds: float
    answers: Counter[int]
    ends: Counter[str]
    latency_before: float
    latency_after: float
    violations: list[str]


def fuzz(folder: Path, seed: int, until: Callable[[int], bool]) -> Report:
    """Send request after request until `until(number)`, then check what came of them."""
    shutil.copy(Path(__file__).with_name("app.py"), folder / "main.py")
    with serving(
        "gunicorn uvicorn_worker", folder, "-w", "2", "-t", "60", "--log-level", "error", **SETTINGS, **WITH_SPARE
    ) as server:
        _warm_up(server)
        before, slowness = _processes(server), latency(server.port)
        began, clients = time.monotonic(), Clients(server.port, requests(seed), until)
        clients.run()
        seconds = time.monotonic() - began
        with suppress(AssertionError):  # what is left is said by the check
            eventually(lambda: not unfinished(server), "everything has ended", within=SETTLING_TIME)
        tasks = recorded(server.journal)
        seen = Seen(
            clients.asked, clients.answers, tasks, shown(server), before, _processes(server), deaths(server.journal)
        )
        slowness_after = latency(server.port)
    ends = Counter(task.state for found in tasks.values() for task in found)
    return Report(seconds, Counter(clients.answers.values()), ends, slowness, slowness_after, violations(seen))


def _warm_up(server: Server) -> None:
    """Both web workers have stored a task, and the runner has started a process for them."""

    def are_there() -> bool:
        assert status_of(server.port, WARM_UP) == 200
        return len(server.living("web")) == 2 and bool(server.living("child"))

    eventually(are_there, "two web workers and a task process are there")


def _processes(server: Server) -> set[int]:
    return {*server.living("web"), *server.living("runner")}


def recorded(journal: Path) -> dict[int, list[Recorded]]:
    """Every task of the journal by the number of its request."""
    connection = connect(journal, patience=5.0, read_only=True)
    found: defaultdict[int, list[Recorded]] = defaultdict(list)
    try:
        rows: list[Any] = connection.execute("SELECT origin, state, reason, function FROM task").fetchall()
    finally:
        connection.close()
    for origin, state, reason, function in rows:
        if named := _NUMBER.match(origin):
            texts = (origin, reason or "", function)
            found[int(named["number"])].append(Recorded(State(state).label, reason or "", texts))
    return found


def deaths(journal: Path) -> list[str]:
    """What the journal says of processes that died."""
    return [one.sentence for one in history_of(journal).incidents(limit=1000) if one.kind == IncidentKind.DEATH]


def shown(server: Server) -> str:
    """What the command line prints of it all."""
    failed = [one.id for one in history_of(server.journal).tasks([State.FAILED, State.DROPPED], limit=10)]
    commands = [*COMMANDS, *(["show", one] for one in failed), *(["show", one, "--json"] for one in failed)]
    return "\n".join(_printed(server, command) for command in commands)


def _printed(server: Server, command: list[str]) -> str:
    asked = [str(Path(PYTHON).with_name("outlast")), *command, "--url", f"sqlite:///{server.journal}"]
    done = subprocess.run(asked, cwd=server.folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()
