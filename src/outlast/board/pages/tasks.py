"""All tasks that a filter means, and one of them with all that happened to it."""

from __future__ import annotations

from functools import partial
from typing import Any

from outlast.board import charts
from outlast.board.actions import AT_REST
from outlast.board.filters import SINCE, Filter, cursor_of, cursor_text
from outlast.board.said import said_in
from outlast.board.terminal import Terminal, command
from outlast.board.visit import Page, Visit
from outlast.events import waits
from outlast.ids import shown
from outlast.journal.read import Record
from outlast.journal.telling import LANES, seconds_spent, took
from outlast.tasks.task import State

ON_A_PAGE = 50


def tasks(visit: Visit) -> Page:
    """The newest first."""
    chosen, after = Filter.of(visit.query), cursor_of(visit.query.get("after", ""))
    found = visit.survey.search(chosen.search(visit.now), after, ON_A_PAGE)
    further = [*chosen.pairs(), ("after", cursor_text(found.cursor))] if found.cursor else None
    records = records_of(visit, found.ids)
    values = {
        "filter": chosen,
        "states": [state.label for state in State],
        "since": SINCE,
        "records": records,
        "took": {one.id: took(one, visit.now) for one in records},
        "is_first": after is None,
        "first": visit.links.to("/tasks", chosen.pairs()),
        "command": partial(command, visit, "list"),
        "further": further and visit.links.to("/tasks", further),
        "said": said_in(visit.query.get("said", "")),
    }
    return Page("tasks.html", "Tasks", values)


def records_of(visit: Visit, ids: tuple[int, ...]) -> list[Record]:
    """In that order, without what was deleted a moment ago."""
    wanted = [shown(one) for one in ids]
    known = visit.history.tasks_of(wanted)
    return [known[one] for one in wanted if one in known]


def task(visit: Visit) -> Page:
    """Raises TaskNotFound."""
    record = visit.history.task(visit.parts["task"])
    spent = seconds_spent(record.events)
    values = {
        "task": record,
        "lane": LANES.get(record.lane, "not known"),
        "events": list(zip(record.events, spent, strict=True)),
        "timeline": charts.timeline(record, visit.now),
        "took": took(record, visit.now),
        "held_back": waits.held_back(record.queue, record.held_back),
        "logs": visit.history.logs_of(record.id),
        "incidents": visit.history.incidents_of(record.id),
        **may_be_done(record, visit),
        "said": said_in(visit.query.get("said", "")),
    }
    return Page("task.html", f"Task {record.id}", values, section="/tasks")


def may_be_done(record: Record, visit: Visit) -> dict[str, Any]:
    """To a task here, and in a terminal."""
    is_at_rest, can_travel = record.state in AT_REST, record.lane != "inline"
    terminal = Terminal(visit)
    verbs = {
        "show": True,
        "retry": is_at_rest and can_travel,
        "repeat": record.has_ended and can_travel,
        "cancel": not record.has_ended,
        "delete": is_at_rest,
    }
    return {
        "may_run_again": verbs["retry"],
        "may_be_repeated": verbs["repeat"],
        "may_be_deleted": verbs["delete"],
        "may_be_cancelled": verbs["cancel"],
        "commands": [terminal.command(verb, record.id) for verb, may_be in verbs.items() if may_be],
    }
