"""Who takes part now, and what has happened to processes: who blocked, who died, what became of what was in them."""

from __future__ import annotations

import re
from functools import partial

from outlast.board.terminal import command
from outlast.board.visit import Page, Visit
from outlast.board.workers import workers
from outlast.events.board import NOT_KNOWN, how_to_mend, what_it_means
from outlast.journal.telling import fate

MOST_INCIDENTS = 100
MOST_FRAMES = 3  # of a stack, at first sight
_FRAME = re.compile(r'^ *File "', re.MULTILINE)


def processes(visit: Visit) -> Page:
    """Web workers, runner and task processes that live."""
    found = visit.survey.overview(visit.now)
    there = workers(found.processes, visit)
    return Page("workers.html", "Workers", {"workers": there, "elsewhere": found.elsewhere})


def incidents(visit: Visit) -> Page:
    """The newest first."""
    found = visit.history.incidents(MOST_INCIDENTS)
    return Page("incidents.html", "Incidents", {"incidents": found, "command": partial(command, visit, "explain")})


def incident(visit: Visit) -> Page:
    """One of them, whole. Raises IncidentNotFound."""
    found = visit.history.incident(visit.parts["number"])
    tasks = visit.history.tasks_of([one.task for one in found.flights if one.task])
    values = {
        "incident": found,
        "flights": [(one, fate(one, found, tasks)) for one in found.flights],
        "meaning": what_it_means(found.kind, found.process),
        "mend": how_to_mend(found.cause) or NOT_KNOWN,
        "command": command(visit, "explain", str(found.id)),
        "last_frames": last_frames(found.stack),
    }
    return Page("incident.html", f"Incident {found.id}", values, section="/incidents")


def last_frames(stack: str) -> str:
    """The innermost ones, where the code is that matters; all of a stack that has no more, or is none of Python's."""
    begins = [found.start() for found in _FRAME.finditer(stack)]
    return stack[begins[-MOST_FRAMES] :] if len(begins) > MOST_FRAMES else stack
