"""Queues: what waits and runs in each, and what limits it; they can be paused, and let go on."""

from __future__ import annotations

from collections.abc import Callable

from outlast.board.forms import Form, wanted
from outlast.board.visit import Page, Visit
from outlast.journal.by_hand import decided
from outlast.journal.contract import Queues
from outlast.web.connection import look_now

Verb = Callable[[Queues, str], bool]
VERBS: dict[str, Verb] = {
    "pause": lambda queues, name: queues.pause(name),
    "resume": lambda queues, name: queues.resume(name),
}


def queues(visit: Visit) -> Page:
    """By name."""
    return Page("queues.html", "Queues", {"queues": visit.survey.queues()})


def change_queue(form: Form, visit: Visit) -> str:
    """Do it to one that is there. Raises StoreFailed or JournalUnusable."""
    verb, name = wanted(form, VERBS), form.get("queue", "")
    if name in {one.name for one in visit.survey.queues()}:
        decided(visit.settings, lambda journal: verb(journal.queues, name))
    look_now(visit.place)
    return visit.links.to("/" if form.get("on") == "overview" else "/queues")
