"""What may be done in the dashboard: let tasks run again, cancel them, forget them; after a page that asks."""

from __future__ import annotations

from dataclasses import dataclass

from outlast.board.filters import Filter, numbers_of
from outlast.board.forms import Form, wanted
from outlast.board.pages.failures import MOST_LOOKED_AT, grouped
from outlast.board.said import repeated_text, said_text
from outlast.board.terminal import command
from outlast.board.visit import Page, Visit
from outlast.events import board as words
from outlast.ids import shown
from outlast.journal.by_hand import Verb, changed, repeated
from outlast.journal.survey import Search, Survey
from outlast.journal.telling import counted
from outlast.tasks.task import FINISHED, UNFINISHED, State
from outlast.web.connection import look_now

MOST_AT_ONCE = 1_000  # tasks that one form changes
MOST_LOOKS = 40  # pages of a search that are gone through for it
MOST_IN_A_COMMAND = 20  # tasks that are named one by one
AT_REST = frozenset(state.label for state in FINISHED | {State.PARKED})
NOT_OVER = frozenset(state.label for state in UNFINISHED)


@dataclass(frozen=True, slots=True)
class Action:
    """name: as its button says. done: what it makes of a task. warning: what it does, before it is done.

    states: to tasks in which it can be done.
    """

    name: str
    done: str
    warning: str
    states: frozenset[str]
    verb: Verb


ACTIONS = {
    "retry": Action("Run again", "retried", words.RUNS_AGAIN, AT_REST, lambda journal, tasks: journal.retry(tasks)),
    "cancel": Action("Cancel", "cancelled", words.IS_CANCELLED, NOT_OVER, lambda journal, tasks: journal.cancel(tasks)),
    "delete": Action("Delete", "deleted", words.IS_DELETED, AT_REST, lambda journal, tasks: journal.delete(tasks)),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The tasks that a form means. words: which they are. more: why these may not be all; empty if they are.

    by: the filter by which they were chosen, None if by something else.
    """

    ids: tuple[int, ...]
    words: str
    more: str = ""
    by: Filter | None = None


def confirm(form: Form, visit: Visit) -> Page:
    """The page that says how many tasks are meant, and asks.

    What is answered there is about these tasks, whatever the filter means a moment later.
    """
    action, picked = wanted(form, ACTIONS), chosen(form, visit)
    fields = [("verb", form["verb"]), ("on", form.get("on", "")), *Filter.of(form).pairs()]
    fields += [("task", shown(one)) for one in picked.ids]
    values = {
        "verb": form["verb"],
        "action": action,
        "chosen": picked,
        "fields": fields,
        "command": as_command(form["verb"], picked, visit),
        "back": _back(form, visit),
    }
    return Page("confirm.html", action.name, values, is_live=False, section="/tasks")


def chosen(form: Form, visit: Visit) -> Chosen:
    """Selected tasks, those of a filter, or failures of one kind."""
    if mark := form.get("group"):
        return _of_kind(mark, visit.survey)
    if form.get("scope") == "all":
        meant = Filter.of(form)
        ids, there_are_more = gone_through(visit.survey, meant.search(visit.now))
        return Chosen(ids, meant.in_words(), words.MORE_THAN_AT_ONCE if there_are_more else "", meant)
    return Chosen(tuple(numbers_of(form.getlist("task"))[:MOST_AT_ONCE]), "selected")


def _of_kind(mark: str, survey: Survey) -> Chosen:
    found = survey.failures(MOST_LOOKED_AT)
    more = words.more_than_failed_last(counted(MOST_LOOKED_AT)) if len(found) >= MOST_LOOKED_AT else ""
    groups = [one for one in grouped(found) if one.mark == mark]
    return Chosen(groups[0].ids, words.of_kind(groups[0].function, groups[0].exception), more) if groups else NOBODY


NOBODY = Chosen((), words.NOT_THERE)


def as_command(verb: str, chosen: Chosen, visit: Visit) -> str:
    """What does the same in a terminal; empty where that has no words for it."""
    if chosen.by is not None and _can_be_said(verb, chosen.by):
        states = [word for one in chosen.by.states for word in ("--state", one)]
        return command(visit, verb, *states, *(("--name", chosen.by.name) if chosen.by.name else ()))
    if 0 < len(chosen.ids) <= MOST_IN_A_COMMAND:
        return command(visit, verb, *map(shown, chosen.ids))
    return ""


def _can_be_said(verb: str, meant: Filter) -> bool:
    """Whether the command can mean the same: it knows states and a name, and takes only what it can change."""
    says_no_more = meant == Filter(states=meant.states, name=meant.name)
    return says_no_more and bool(meant.states) and set(meant.states) <= ACTIONS[verb].states


def gone_through(survey: Survey, search: Search) -> tuple[tuple[int, ...], bool]:
    """The numbers of the tasks that are meant, as many as are changed at once, and whether there may be more."""
    found: list[int] = []
    cursor = None
    for _ in range(MOST_LOOKS):
        part = survey.search(search, cursor, MOST_AT_ONCE - len(found))
        found += part.ids
        cursor = part.cursor
        if cursor is None or len(found) >= MOST_AT_ONCE:
            break
    return tuple(found), cursor is not None


def change(form: Form, visit: Visit) -> str:
    """Do it to the tasks whose ids a form has; returns where to go on, which says to how many it was done.

    Raises StoreFailed or JournalUnusable.
    """
    action, ids = wanted(form, ACTIONS), numbers_of(form.getlist("task"))[:MOST_AT_ONCE]
    done = changed(visit.settings, ids, action.verb)
    look_now(visit.place)
    count = sum(done.values())
    back = visit.links.to("/tasks") if form["verb"] == "delete" and form.get("on") == "task" else _back(form, visit)
    return f"{back}{'&' if '?' in back else '?'}said={said_text(action.done, count, len(done) - count)}"


def repeat(form: Form, visit: Visit) -> str:
    """Ask for one task once more, as a new one, whose page says so. Raises NotRepeatable and as `change` does."""
    ids = numbers_of(form.getlist("task")[:1])
    if not ids:
        return visit.links.to("/tasks")
    new = shown(repeated(visit.settings, ids[0]))
    look_now(visit.place)
    return visit.links.to(f"/tasks/{new}", [("said", repeated_text(shown(ids[0])))])


def _back(form: Form, visit: Visit) -> str:
    """The page that a form was sent from: one of three, whatever it says."""
    ids = numbers_of(form.getlist("task")[:1])
    if form.get("on") == "task" and ids:
        return visit.links.task(shown(ids[0]))
    if form.get("on") == "failures":
        return visit.links.to("/failures")
    return visit.links.to("/tasks", Filter.of(form).pairs())
