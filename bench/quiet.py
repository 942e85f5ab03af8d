"""Whether a plain endpoint notices that the article's three tasks run behind it."""

from __future__ import annotations

import time
from typing import Any

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import ROOT, Place, eventually, place
from bench.harness.processes import Server, serving
from bench.harness.rounds import Size, interleaved

GUNICORN = ("gunicorn", "-b", "127.0.0.1:{port}", "-w", "1", "-t", "10", "-k", "uvicorn_worker.UvicornWorker")
ARTICLE = str(ROOT / "examples" / "article")
INTERVAL = "0.01"  # seconds between two requests


def measure(size: Size) -> list[Figure]:
    """The article's own command. Its three tasks run once before, so that all rounds find the children up."""
    lasts = size.pick(15.0, 5.0)
    command = [*GUNICORN, "--pythonpath", ARTICLE, "main:app"]
    with place() as here, serving(here, command, ARTICLE_SECONDS=str(lasts)) as server:
        ask_for_all(server)
        here.drain()
        seconds = str(lasts - 3)
        measures = {"tasks": lambda: _with_tasks(server, seconds), "none": lambda: _probe(server, seconds)}
        found = interleaved(size.repeat, measures)
    return [
        Figure(
            Series(f"`quiet`: small request while the three tasks run, {key}", "ms", _all(found["tasks"], key)),
            Series("none run", "ms", _all(found["none"], key)),
            (Aim("ratio", at_most=1.3), Aim("difference", at_most=5.0)) if key == "p99" else (),
        )
        for key in ("p50", "p99", "longest")
    ]


def ask_for_all(server: Server) -> None:
    """The three requests of the article, within a second."""
    for action in (1, 2, 3):
        server.get(f"/?action={action}")


def _with_tasks(server: Server, seconds: str) -> dict[str, Any]:
    ask_for_all(server)
    eventually(lambda: running(server.place) == 3, "all three tasks run")
    time.sleep(0.5)
    report = _probe(server, seconds)
    if running(server.place) != 3:
        raise RuntimeError("the tasks ended before the requests did")
    server.place.drain()
    return report


def running(place: Place) -> int:
    """How many tasks run."""
    return int(place.ask("SELECT count(*) FROM task WHERE state = 2 AND state <= 2"))


def _probe(server: Server, seconds: str) -> dict[str, Any]:
    report = server.load("/", "--interval", INTERVAL, "--seconds", seconds)
    if report["failures"]:
        raise RuntimeError(f"{report['failures']} requests failed")
    return report


def _all(reports: list[dict[str, Any]], key: str) -> tuple[float, ...]:
    return tuple(one[key] for one in reports)
