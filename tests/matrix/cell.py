"""One cell: a way, an app, a server; from its start until every innocent task has finished, or counts as lost."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.matrix.plan import Pace
from tests.matrix.probe import Probe
from tests.matrix.running import Running, running
from tests.matrix.verdict import Evidence, Fate, Innocent, fate, in_words, seconds_hung
from tests.matrix.ways import Way, do_nothing
from tests.support.servers import KINDS

LONGEST = 120.0  # seconds for a cell whose server does not come back
AFTERWARDS = 1.0  # seconds in which a second run of what has finished would begin


@dataclass(frozen=True, slots=True)
class Cell:
    """`evidence` is None where the app has nothing that could be cut that way, or `problem` says why."""

    way: Way
    peer: str
    server: str
    evidence: Evidence | None = None
    problem: str = ""

    @property
    def fates(self) -> list[tuple[str, Fate]]:
        if self.evidence is None:
            return []
        return [(one.name, fate(one, is_wanted=self.way.is_wanted)) for one in self.evidence.innocents]

    @property
    def words(self) -> str:
        """As the page has it."""
        if self.evidence is None:
            return self.problem or "no such process"
        return in_words(self.fates, seconds_hung(self.evidence))


def measured(cell: Cell, folder: Path, pace: Pace, python: str = sys.executable) -> Evidence:
    """Run it in `folder`. Raises AssertionError when the server does not start or the tasks do not begin."""
    began = time.monotonic()
    command = [python, *KINDS[cell.server], *arguments(cell, pace)]
    with cell.way.place(folder) as place, running(cell.peer, command, folder, place, pace) as app:
        boot = app.wait_until_it_answers()
        worker = app.worker
        probe = Probe(app.server.port)
        try:
            cell.way.ask(app)
            if cell.way.cut is not do_nothing:
                assert not app.server.witnessed("ran"), "an innocent task had finished before anything was cut"
                cell.way.cut(app)
            wait_until_over(app, cell.way, pace)
        finally:
            probe.stop()
        innocents = tuple(
            Innocent(name, status, app.count("began", name), app.count("ran", name))
            for name, status in app.asked.items()
        )
        is_same = app.server.answers_from(worker)
        return Evidence(innocents, boot, probe.hung, probe.away, app.starts, is_same, time.monotonic() - began)


def arguments(cell: Cell, pace: Pace) -> list[str]:
    """Of the server, beyond those of its kind."""
    more = [*cell.way.uvicorn] if cell.server == "uvicorn" else ["-t", str(pace.timeout), *cell.way.gunicorn]
    return [one.format(graceful=pace.graceful) for one in more]


def wait_until_over(app: Running, way: Way, pace: Pace) -> None:
    """Until all has finished and nothing begins a second time, or nothing has happened for as long as we wait."""
    seen: list[list[str]] = []
    last = began = time.monotonic()
    while time.monotonic() - last < pace.patience and time.monotonic() - began < LONGEST:
        app.tend()
        time.sleep(0.05)
        if not app.server.answers() or (way.lasts and app.runs_still("culprit")) or app.server.witnessed() != seen:
            seen, last = app.server.witnessed(), time.monotonic()
        if time.monotonic() - last > AFTERWARDS and has_finished(app, way):
            return


def has_finished(app: Running, way: Way) -> bool:
    if not way.is_wanted or app.runs_still(*app.asked):
        return False
    return all(app.count("ran", name) for name, status in app.asked.items() if status != 503)
