"""How things stand: counts, the last hour, processes and what they run, what has happened to them."""

from __future__ import annotations

from dataclasses import dataclass

from outlast.board import charts
from outlast.board.visit import Page, Visit
from outlast.board.workers import workers
from outlast.events import waits
from outlast.journal.survey import MINUTE, Overview
from outlast.journal.telling import STATES
from outlast.web.connection import backlog_of, hindrance_in

HOUR = 60  # minutes


@dataclass(frozen=True, slots=True)
class Waited:
    """How long half of the last tasks waited to be begun, and how long all but one in a hundred did (s)."""

    half: float
    most: float


def overview(visit: Visit) -> Page:
    """The first page."""
    survey = visit.survey
    found, until = survey.overview(visit.now), int(visit.now) // MINUTE + 1
    minutes = survey.ends(until - HOUR, until)
    there = workers(found.processes, visit)
    values = {
        "overview": found,
        "states": STATES,
        "notes": _notes(visit, found, has_runner=any(one.kind == "runner" for one in there)),
        "bars": charts.bars(minutes, until, HOUR),
        "most": max((one.done + one.failed for one in minutes), default=0),
        "done": sum(one.done for one in minutes),
        "failed": sum(one.failed for one in minutes),
        "waited": waited(list(survey.waits())),
        "workers": there,
        "queues": survey.queues(),
        "incidents": visit.history.incidents(limit=5),
    }
    return Page("overview.html", "Overview", values)


def waited(seconds: list[float]) -> Waited | None:
    """None where nobody has waited."""
    in_order = sorted(seconds)
    last = len(in_order) - 1
    return Waited(in_order[last // 2], in_order[round(last * 0.99)]) if in_order else None


def _notes(visit: Visit, found: Overview, *, has_runner: bool) -> list[str]:
    """What keeps tasks waiting, in sentences."""
    notes = []
    if not has_runner:
        notes.append(waits.nobody_runs(found.counts["waiting"]))
    elif hindrance := hindrance_in(backlog_of(visit.place)):
        notes.append(waits.cannot_run(hindrance))
    return notes
