"""`outlast list`, `show`, `status`: read the journal, and nothing else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import click

from outlast import waits
from outlast.cli import pages
from outlast.cli.output import MOST_SHOWN, say, say_aside, say_json
from outlast.connection import backlog_of, hindrance_in
from outlast.engines.history import History, Record
from outlast.engines.place import journal_path
from outlast.errors import IncidentNotFound, OutlastError, TaskNotFound
from outlast.liveness import living_among, living_runner
from outlast.place import Place
from outlast.settings import Settings
from outlast.tasks import State

NOT_FOUND = 3
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
at_url = click.option("--url", help="The journal, if it is not that of OUTLAST_URL or pyproject.toml.")


@click.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice([state.label for state in State]))
@click.option("--name", default="", help="Only functions whose module:name contains this.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1))
@as_json
@at_url
def list_tasks(states: tuple[str, ...], name: str, limit: int, as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """List tasks, the newest first.

    TOOK is the time of the last attempt. LANE is where it runs: on the event loop of a task process (loop), in a thread
    there (thread), in a process of its own (alone), or in the web worker (inline). STATE: `outlast status` says what
    each is.

    With --json: a list of objects with id, state, lane, attempt, crashes,
    follows, created_at, started_at, ended_at (seconds since the epoch), function, arguments, origin, reason, context,
    app, release (whose code it is).
    """
    with history(url) as journal:
        records = journal.tasks([State[label.upper()] for label in states], name, limit)
        records = _explained(records, journal.path)
    if as_json:
        say_json([pages.document(record) for record in records])
        return
    if records:
        say(pages.HEADER, mark="header")
    for record in records:
        say(pages.row(record, time.time()), mark=record.state)
    if not records:
        say_aside("no tasks")


@click.command()
@click.argument("task_id", metavar="ID")
@as_json
@at_url
def show(task_id: str, as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """Show one task and all that happened to it. ID may be the beginning of one.

    With --json: the object of `list`, with `events` (at, kind, attempt, reason, traceback, and at the end of an attempt
    its seconds) and `incidents` (those of `explain` that it was in).
    """
    with history(url) as journal:
        (record,) = _explained([journal.task(task_id)], journal.path)
        incidents = journal.incidents_of(record.id)
    if as_json:
        told = {"events": pages.events_document(record), "incidents": [pages.in_short(one) for one in incidents]}
        say_json(pages.document(record) | told)
        return
    for number, line in enumerate((*pages.page(record), *pages.incident_lines(incidents))):
        say(line, MOST_SHOWN, hang=11, mark="" if number else record.state)


@click.command()
@as_json
@at_url
def status(as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """Show how many tasks are in which state, and which processes are there.

    With --json: an object with `counts` by state, `oldest_waiting` (seconds, of those that wait for nobody before
    them), `processes` that live (id, kind, pid, started_at), `blockers` (functions that run alone, and for how many
    seconds they have blocked a loop), `incidents` of the last day, `parked`, `unfinished` (how many of each app and
    release), `runner` (pid, or null) and `backlog`.
    """
    with history(url) as journal:
        summary = journal.summary(time.time())
    place = Place.of(journal.path)
    backlog, runner = backlog_of(place), living_runner(place)
    living = living_among(place, [one.id for one in summary.processes])
    present = [one for one in summary.processes if one.id in living]
    if as_json:
        written = {name: backlog.get(name) for name in ("runner", "put_back", "web", "hindrance")}
        there = {"processes": [asdict(one) for one in present], "runner": runner, "backlog": written}
        say_json({**asdict(summary), **there})
        return
    for line in (*pages.summary_lines(summary, present, runner), *pages.backlog_lines(backlog)):
        say(line)


@contextmanager
def history(url: str | None) -> Iterator[History]:
    """The journal to read, named on stderr."""
    with told_errors():
        path = journal_path(Settings.load(url=url).url)
        say_aside(f"journal {path}")
        yield History(path)


@contextmanager
def told_errors() -> Iterator[None]:
    """Errors become one sentence and an exit code."""
    try:
        yield
    except (TaskNotFound, IncidentNotFound) as error:
        _stop(error, NOT_FOUND)
    except OutlastError as error:
        _stop(error, 1)


def _explained(records: Sequence[Record], journal: Path) -> list[Record]:
    """Those that wait have as their reason why nothing can run now, as the runner says."""
    waiting = {record.id for record in records if record.state == State.WAITING.label}
    hindrance = hindrance_in(backlog_of(Place.of(journal))) if waiting else ""
    why = waits.cannot_start(hindrance) if hindrance else ""
    return [replace(one, reason=why or one.reason) if one.id in waiting else one for one in records]


def _stop(error: Exception, code: int) -> None:
    say_aside(f"outlast: {error}")
    sys.exit(code)
