"""Fills a journal with finished and waiting tasks, and asks its dashboard for each page, as a server does.

`python -m bench.programs.board FOLDER ROWS`
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from starlette.types import ASGIApp, Message

from outlast.board.board import board
from outlast.board.guard import Gate
from outlast.journal.contract import ProcessEntry
from outlast.journal.engines import open_history, open_journal
from outlast.journal.sqlite.opening import connect
from outlast.settings.settings import Settings
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import State

TIMES = 20
DAY = 86_400.0
NUMBERS = "WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < :rows) "
ID = f"(CAST((at - {TaskIds.BEGINNING}) * 1000 AS INTEGER) << {TaskIds.LOW_BITS}) + i % 4096"
ENDED = f"""
INSERT INTO task (id, place, state, lane, calling, attempt, created_at, released_at, started_at, ended_at, function,
    arguments, origin, reason, app, release)
SELECT {ID}, i, iif(i % 50 = 0, 4, 3), 'loop', 'loop', 1, at, at, at, at, 'shop.orders:send_' || (i % 7),
    '{{"to":12345,"text":"' || hex(randomblob(60)) || '"}}', 'POST /orders', iif(i % 50 = 0, 'ValueError: ' || i, NULL),
    'main:app', '1' FROM (SELECT i, :now - {DAY} + i * {DAY} / :rows AS at FROM number)"""  # noqa: S608
TRACEBACKS = """
INSERT INTO event (task, at, kind, attempt, reason, traceback)
SELECT id, ended_at, 'error', 1, reason, 'Traceback (most recent call last):' || char(10) || hex(randomblob(500)) ||
    char(10) || '  File "/srv/shop/orders.py", line ' || (id % 9) || ', in send' || char(10) || reason
FROM task WHERE state = 4"""
WAITING = f"""
INSERT INTO task (id, place, state, lane, calling, created_at, released_at, run_at, gate, function, arguments, origin,
    app, release)
SELECT {ID}, i, 1, 'loop', 'loop', at, at, iif(i % 2, 0, -1), iif(i % 2, NULL, 1), 'shop.mail:send', '{{}}', 'GET /',
    'main:app', '1'
FROM (SELECT i, :now + i * 1e-3 AS at FROM number WHERE i <= :rows / 10)"""  # noqa: S608


def fill(path: Path, rows: int, now: float) -> None:
    """Tasks that ended within a day, one in fifty failed, and a tenth as many that wait, half of them in a queue."""
    journal = open_journal(f"sqlite:///{path}")
    with journal.transaction():
        journal.processes.enter(ProcessEntry("runner", 1, "bench", now))
    journal.close()
    connection = connect(path, 5.0)
    with connection:
        connection.execute("INSERT INTO gate (id, queue, scope, concurrency, every) VALUES (1, 'mails', '', 0, 0)")
        for statement in (ENDED, WAITING):
            connection.execute(NUMBERS + statement, {"rows": rows, "now": now})
        connection.execute(TRACEBACKS)
    connection.close()


def paths(url: str) -> dict[str, str]:
    """What is asked for, by what it is called."""
    (failed,) = open_history(url).tasks([State.FAILED], limit=1)
    return {
        "overview": "/",
        "tasks": "/tasks",
        "tasks, failed": "/tasks?state=failed",
        "tasks, waiting": "/tasks?state=waiting",
        "tasks, a text that is nowhere": "/tasks?text=nowhere",
        "tasks, failed, a text that is nowhere": "/tasks?state=failed&text=nowhere",
        "task": f"/tasks/{failed.id}",
        **{name: f"/{name}" for name in ("failures", "workers", "incidents", "queues", "schedules", "system")},
    }


async def milliseconds(app: ASGIApp, path: str) -> float:
    """Of one request, without a server."""
    path, _, query = path.partition("?")
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "query_string": query.encode()}
    scope |= {"headers": [(b"host", b"localhost")], "root_path": "", "scheme": "http", "server": ("localhost", 80)}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    began = time.perf_counter()
    await app(scope, receive, send)
    took = (time.perf_counter() - began) * 1000
    assert sent[0]["status"] == 200, path
    return took


async def measure(url: str) -> dict[str, float]:
    """The median of each page; the first look, which makes templates and opens files, is not counted."""
    settings = Settings(url=url)
    app = board(lambda: settings, Gate(lambda _: True, lambda: False), is_read_only=False)
    found = {}
    for name, path in paths(url).items():
        await milliseconds(app, path)
        found[name] = median([await milliseconds(app, path) for _ in range(TIMES)])
    return found


def main(path: Path, rows: int) -> None:
    """Print what was found."""
    fill(path, rows, time.time())
    print(json.dumps(asyncio.run(measure(f"sqlite:///{path}"))))


if __name__ == "__main__":
    main(Path(sys.argv[1]) / ".outlast" / "journal.db", int(sys.argv[2]))
