"""How long a task waits for its second start after kill -9 of the process below it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from bench.harness.figures import Figure, Series
from bench.harness.place import eventually, place
from bench.harness.processes import Server, serving, uvicorn
from bench.harness.rounds import Size, say


def measure(size: Size) -> list[Figure]:
    """A new server each time: a task that lost its process twice would not be run again."""
    return [
        Figure(Series(f"`rerun`: kill -9 of the {kind} until its task starts again", "s", _rounds(size, kind)))
        for kind in ("child", "runner")
    ]


def _rounds(size: Size, kind: str) -> tuple[float, ...]:
    found = []
    for number in range(size.repeat):
        say(f"  round {number + 1} of {size.repeat}: {kind}")
        with place() as here, serving(here, uvicorn("bench.programs.app:app")) as server:
            found.append(seconds_until_second_start(server, kind))
    return tuple(found)


def seconds_until_second_start(server: Server, kind: str) -> float:
    """Kill the oldest living process of a kind, in which the task runs; a spare child waits by then."""
    starts = server.place.folder / "starts"
    server.get(f"/stay?file={starts}&seconds=30")
    eventually(lambda: len(lines(starts)) == 1, "the task starts")
    time.sleep(1.0)
    pid = server.place.living(kind)[0]
    killed_at = time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(lines(starts)) == 2, "the task starts again")
    return (int(lines(starts)[1]) - killed_at) / 1e9


def lines(file: Path) -> list[str]:
    """What tasks have written so far."""
    return file.read_text().split() if file.exists() else []
