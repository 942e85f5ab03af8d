"""`outlast cancel`: what people may change in the journal."""

from __future__ import annotations

import sys
import time

import click

from outlast.cli.output import say, say_aside
from outlast.cli.read import at_url, told_errors
from outlast.connection import look_now
from outlast.engines.history import History, Record
from outlast.engines.place import place_of
from outlast.engines.sqlite import SqliteJournal
from outlast.place import Place
from outlast.settings import Settings
from outlast.tasks import State, number_of


@click.command()
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True)
@at_url
def cancel(task_ids: tuple[str, ...], url: str | None) -> None:
    """Let tasks not run, or stop them where they run. ID may be the beginning of one.

    A coroutine gets a CancelledError, a `def` finds out by outlast.current().check(); the process of one that does
    not listen is ended. Exits with 1 when one of them has ended already, or runs inline in its web worker.
    """
    with told_errors():
        place = place_of(Settings.load(url=url))
        say_aside(f"journal {place.journal}")
        history = History(place.journal)
        records = [history.task(prefix) for prefix in task_ids]
        cancelled = _cancelled(place, records)
    for record in records:
        say(_sentence(record, cancelled=cancelled[number_of(record.id)]))
    if not all(cancelled.values()):
        sys.exit(1)


def _cancelled(place: Place, records: list[Record]) -> dict[int, bool]:
    journal = SqliteJournal(f"sqlite:///{place.journal}", is_shared=place.is_shared)
    try:
        with journal.transaction():
            cancelled = journal.cancel([number_of(record.id) for record in records], time.time())
    finally:
        journal.close()
    look_now(place)
    return cancelled


def _sentence(before: Record, *, cancelled: bool) -> str:
    if cancelled:
        is_running = before.state == State.RUNNING.label
        return f"{before.id}  {'is told to stop' if is_running else 'cancelled'}  {before.function}"
    if before.lane == "inline":
        return f"{before.id}  runs inline, in its web worker, and cannot be stopped  {before.function}"
    return f"{before.id}  has ended already: {before.state}  {before.function}"
