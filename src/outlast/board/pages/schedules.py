"""What runs by itself, and when; it can be run now, paused, and let go on."""

from __future__ import annotations

from collections.abc import Callable, Collection

from outlast.board.forms import Form, wanted
from outlast.board.visit import Page, Visit
from outlast.journal.by_hand import decided
from outlast.journal.schedules import Schedules
from outlast.web.connection import look_now

Verb = Callable[[Schedules, Collection[int]], list[int]]
VERBS: dict[str, Verb] = {
    "run": lambda schedules, some: schedules.ask(some),
    "pause": lambda schedules, some: schedules.pause(some),
    "resume": lambda schedules, some: schedules.resume(some),
}


def schedules(visit: Visit) -> Page:
    """By app and name; those last that the newest code does not have any more."""
    found = sorted(visit.history.schedules(), key=lambda one: one.state == "retired")
    return Page("schedules.html", "Schedules", {"schedules": found})


def change_schedule(form: Form, visit: Visit) -> str:
    """Do it to one of them. Raises StoreFailed or JournalUnusable."""
    verb = wanted(form, VERBS)
    meant = [one.id for one in visit.history.schedules() if str(one.id) == form.get("schedule")]
    decided(visit.settings, lambda journal: verb(journal.schedules, meant))
    look_now(visit.place)
    return visit.links.to("/schedules")
