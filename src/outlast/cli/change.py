"""`outlast cancel`, `retry`, `delete`: what people may change in the journal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from outlast import events, waits
from outlast.cli.output import say, say_aside, say_json
from outlast.cli.read import as_json, at_url, told_errors
from outlast.connection import look_now
from outlast.engines.history import History, Record
from outlast.engines.place import place_of
from outlast.engines.sqlite import SqliteJournal
from outlast.liveness import living_runner
from outlast.place import Place
from outlast.settings import Settings
from outlast.tasks import State, number_of, shown

AT_ONCE = 500  # tasks in one transaction: nobody waits long for the next
MOST_NAMED = 20  # tasks that have a line each
AT_REST = ("failed", "parked", "cancelled", "dropped", "done")
Verb = Callable[[SqliteJournal, Sequence[int]], Mapping[int, bool]]
these = click.argument("task_ids", metavar="[ID]...", nargs=-1)
of_state = click.option("--state", "states", multiple=True, type=click.Choice(AT_REST), help="All in this state.")
of_name = click.option("--name", default="", help="With --state: only functions whose module:name contains this.")


@click.command()
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True)
@at_url
def cancel(task_ids: tuple[str, ...], url: str | None) -> None:
    """Let tasks not run, or stop them where they run. ID may be the beginning of one.

    A coroutine gets a CancelledError, a `def` finds out by outlast.current().check(); the process of one that does
    not listen is ended. Exits with 1 when one of them has ended already, or runs inline in its web worker.
    """
    with told_errors():
        place, history = _opened(url)
        records = [history.task(prefix) for prefix in task_ids]
        cancelled = _changed(place, [number_of(one.id) for one in records], _cancel)
        look_now(place)
    for record in records:
        say(_sentence(record, cancelled=cancelled[number_of(record.id)]))
    if not all(cancelled.values()):
        sys.exit(1)


@click.command()
@these
@of_state
@of_name
@as_json
@at_url
def retry(task_ids: tuple[str, ...], states: tuple[str, ...], name: str, as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """Let tasks run again that have ended or are parked. ID may be the beginning of one.

    Their history stays, and their attempts count on; they wait behind nobody. Exits with 1 when one of them has not
    ended, or ran inline, in its web worker, and cannot run elsewhere.

    \b
    outlast retry 6h0f30ej7mwkw
    outlast retry --state failed --name main:send
    """
    with told_errors():
        place, history = _opened(url)
        retried = _changed(place, _chosen(history, task_ids, states, name), _retry)
        look_now(place)
        refused = _why_not(history, retried, waits.not_retried)
    _report(retried, refused, "retried", as_json=as_json)
    if any(retried.values()) and living_runner(place) is None:
        say_aside(waits.NO_RUNNER)
    sys.exit(1 if refused else 0)


@click.command()
@these
@of_state
@of_name
@as_json
@at_url
def delete(task_ids: tuple[str, ...], states: tuple[str, ...], name: str, as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """Forget tasks that have ended or are parked, and all that happened to them. ID may be the beginning of one.

    Exits with 1 when one of them has not ended: cancel it first.

    \b
    outlast delete --state parked --name main:greet
    """
    with told_errors():
        place, history = _opened(url)
        deleted = _changed(place, _chosen(history, task_ids, states, name), _delete)
        refused = _why_not(history, deleted, waits.not_deleted)
    _report(deleted, refused, "deleted", as_json=as_json)
    sys.exit(1 if refused else 0)


def _opened(url: str | None) -> tuple[Place, History]:
    place = place_of(Settings.load(url=url))
    say_aside(f"journal {place.journal}")
    return place, History(place.journal)


def _chosen(history: History, prefixes: Sequence[str], states: Sequence[str], name: str) -> list[int]:
    """The tasks that are meant: those named, or all of some states. Raises TaskNotFound, UsageError for neither."""
    if bool(prefixes) == bool(states) or (name and not states):
        raise click.UsageError("say which tasks: ID..., or --state STATE, maybe with --name NAME")
    if prefixes:
        return [number_of(history.task(prefix).id) for prefix in prefixes]
    return history.ids([State[label.upper()] for label in states], name)


def _changed(place: Place, tasks: Sequence[int], verb: Verb) -> dict[int, bool]:
    """Of each task whether it was done; some at a time."""
    journal = SqliteJournal(f"sqlite:///{place.journal}", is_shared=place.is_shared)
    done: dict[int, bool] = {}
    try:
        for start in range(0, len(tasks), AT_ONCE):
            some = tasks[start : start + AT_ONCE]
            with journal.transaction():
                answer = verb(journal, some)
            done |= {one: answer.get(one, False) for one in some}
    finally:
        journal.close()
    return done


def _cancel(journal: SqliteJournal, tasks: Sequence[int]) -> Mapping[int, bool]:
    return journal.cancel(tasks, time.time())


def _retry(journal: SqliteJournal, tasks: Sequence[int]) -> Mapping[int, bool]:
    return journal.retry(tasks, time.time())


def _delete(journal: SqliteJournal, tasks: Sequence[int]) -> Mapping[int, bool]:
    return journal.delete(tasks)


def _why_not(history: History, done: Mapping[int, bool], why: Callable[[str, str], str]) -> dict[str, str]:
    """Of each task that was not changed, why; by its id as people see it."""
    refused = [shown(one) for one, is_done in done.items() if not is_done]
    known = history.tasks_of(refused)
    return {
        one: why(known[one].state, known[one].lane) if one in known else events.NOT_THERE_ANY_MORE for one in refused
    }


def _report(done: Mapping[int, bool], refused: Mapping[str, str], verb: str, *, as_json: bool) -> None:
    changed = [shown(one) for one, is_done in done.items() if is_done]
    if as_json:
        document: dict[str, Any] = {
            verb: changed,
            "refused": refused,
            "counts": {verb: len(changed), "refused": len(refused)},
        }
        say_json(document)
        return
    for one in changed[:MOST_NAMED]:
        say(f"{one}  {verb}")
    for one, why in list(refused.items())[:MOST_NAMED]:
        say(f"{one}  not {verb}: {why}")
    say(waits.changed_by_hand(len(changed), len(refused), verb))


def _sentence(before: Record, *, cancelled: bool) -> str:
    if cancelled:
        is_running = before.state == State.RUNNING.label
        return f"{before.id}  {'is told to stop' if is_running else 'cancelled'}  {before.function}"
    if before.lane == "inline":
        return f"{before.id}  runs inline, in its web worker, and cannot be stopped  {before.function}"
    return f"{before.id}  has ended already: {before.state}  {before.function}"
