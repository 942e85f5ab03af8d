"""`outlast cancel`, `retry`, `delete`: what people may change in the journal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import click

from outlast.cli import documents
from outlast.cli.asking import sure, yes
from outlast.cli.bars import bar
from outlast.cli.completing import tasks
from outlast.cli.output import say, say_aside, say_json
from outlast.cli.read import as_json, at_url, settings_at, told_errors
from outlast.events import waits, words
from outlast.events.journal import NOT_THERE_ANY_MORE
from outlast.ids import number_of, shown
from outlast.journal.by_hand import Verb, changed
from outlast.journal.engines import open_history
from outlast.journal.location import place_of
from outlast.journal.read import History
from outlast.system.liveness import living_runner
from outlast.tasks.task import State
from outlast.web.connection import look_now

MOST_NAMED = 20  # tasks that have a line each
AT_REST = ("failed", "parked", "cancelled", "dropped", "done")
UNFINISHED = ("held", "waiting", "running", "parked")


@dataclass(frozen=True, slots=True)
class Change:
    """What may be done to tasks. verb, done: such as `retry`, `retried`. states: of which all may be meant at once.

    why_not: of a task's state and lane, why it was not done. says: of its state then, what is said where it was, if not
    `done`. needs_runner: whether nothing comes of it without one. text: the help.
    """

    verb: str
    done: str
    states: tuple[str, ...]
    do: Verb
    why_not: Callable[[str, str], str]
    text: str
    says: Callable[[str], str] | None = None
    needs_runner: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks somebody means: those named, by their ids or the beginnings of these, or all of some states."""

    task_ids: tuple[str, ...]
    states: tuple[str, ...]
    name: str
    yes: bool

    def among(self, history: History, verb: str) -> list[int]:
        """Their numbers. Raises TaskNotFound, UsageError if it is not said which, and what `sure` raises."""
        if bool(self.task_ids) == bool(self.states) or (self.name and not self.states):
            raise click.UsageError("say which tasks: ID..., or --state STATE, maybe with --name NAME")
        if self.task_ids:
            return [number_of(history.task(prefix).id) for prefix in self.task_ids]
        found = history.ids([State[label.upper()] for label in self.states], self.name)
        if found:
            sure(f"{verb} {words.tasks(len(found))}", yes=self.yes)
        return found


def _command(change: Change) -> click.Command:
    @click.command(change.verb, help=change.text)
    @click.argument("task_ids", metavar="[ID]...", nargs=-1, shell_complete=tasks)
    @click.option("--state", "states", multiple=True, type=click.Choice(change.states), help="All in this state.")
    @click.option("--name", default="", help="With --state: only functions whose module:name contains this.")
    @yes
    @as_json
    @at_url
    def command(as_json: bool, url: str | None, **wanted: Any) -> None:  # noqa: FBT001
        _make(change, Wanted(**wanted), url, as_json=as_json)

    return command


def _make(change: Change, wanted: Wanted, url: str | None, *, as_json: bool) -> None:
    with told_errors():
        settings = settings_at(url)
        history, place = open_history(settings.url), place_of(settings)
        chosen = wanted.among(history, change.verb)
        with bar(change.verb, len(chosen)) as further:
            done = changed(settings, chosen, change.do, further)
        look_now(place)
        refused = _why_not(history, done, change)
        if as_json:
            say_json(documents.changed(done, refused, change.done))
        else:
            _report(history, done, refused, change)
    if change.needs_runner and any(done.values()) and living_runner(place) is None:
        say_aside(waits.NO_RUNNER)
    sys.exit(1 if refused else 0)


def _why_not(history: History, done: Mapping[int, bool], change: Change) -> dict[str, str]:
    """Of each task that was not changed, why; by its id as people see it."""
    refused = [shown(one) for one, is_done in done.items() if not is_done]
    known = history.tasks_of(refused)
    of = {one: known[one] for one in refused if one in known}
    return {one: change.why_not(of[one].state, of[one].lane) if one in of else NOT_THERE_ANY_MORE for one in refused}


def _report(history: History, done: Mapping[int, bool], refused: Mapping[str, str], change: Change) -> None:
    ids = [shown(one) for one, is_done in done.items() if is_done]
    known = history.tasks_of(ids[:MOST_NAMED])
    for one in ids[:MOST_NAMED]:
        state, function = (known[one].state, known[one].function) if one in known else ("", "")
        say(f"{one}  {change.says(state) if change.says else change.done}  {function}".rstrip())
    for one, why in islice(refused.items(), MOST_NAMED):
        say(f"{one}  not {change.done}: {why}")
    say(waits.changed_by_hand(len(ids), len(refused), change.done))


CANCEL = Change(
    verb="cancel",
    done="cancelled",
    states=UNFINISHED,
    do=lambda tasks, some: tasks.cancel(some),
    why_not=waits.not_cancelled,
    says=waits.cancelled,
    text="""Let tasks not run, or stop them where they run. ID may be the beginning of one.

    A coroutine gets a CancelledError, a `def` finds out by outlast.current().check(); the process of one that does
    not listen is ended. Exits with 1 when one of them has ended already, or runs inline in its web worker.

    \b
    outlast cancel 6h0f30ej7mwkw
    outlast cancel --state waiting --name main:send
    """,
)
RETRY = Change(
    verb="retry",
    done="retried",
    states=AT_REST,
    do=lambda tasks, some: tasks.retry(some),
    why_not=waits.not_retried,
    needs_runner=True,
    text="""Let tasks run again that have ended or are parked. ID may be the beginning of one.

    Their history stays, and their attempts count on; they wait behind nobody. One that was not done goes on at its
    checkpoint, if it has one. Exits with 1 when one of them has not ended, or ran inline, in its web worker, and cannot
    run elsewhere.

    \b
    outlast retry 6h0f30ej7mwkw
    outlast retry --state failed --name main:send
    """,
)
DELETE = Change(
    verb="delete",
    done="deleted",
    states=AT_REST,
    do=lambda tasks, some: tasks.delete(some),
    why_not=waits.not_deleted,
    text="""Forget tasks that have ended or are parked, and all that happened to them. ID may be the beginning of one.

    Exits with 1 when one of them has not ended: cancel it first.

    \b
    outlast delete --state parked --name main:greet
    """,
)
cancel, retry, delete = map(_command, (CANCEL, RETRY, DELETE))
