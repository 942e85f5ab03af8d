"""`outlast list`, `show`, `status`: read the journal, and nothing else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Unpack

import click

from outlast.cli import documents, pages
from outlast.cli.completing import tasks
from outlast.cli.output import MOST_SHOWN, say, say_aside, say_json
from outlast.cli.ranges import count_from_1
from outlast.errors import IncidentNotFound, OutlastError, ScheduleNotFound, TaskNotFound
from outlast.events import waits
from outlast.journal.engines import open_history
from outlast.journal.location import place_of
from outlast.journal.read import History, Record, Which
from outlast.settings.settings import Settings
from outlast.system.liveness import living_among, living_runner
from outlast.system.place import Place
from outlast.tasks.log import MOST_LOG
from outlast.tasks.task import State
from outlast.web.connection import backlog_of, hindrance_in

NOT_FOUND = 3
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON; its `schema` says what: docs/json.md.")
at_url = click.option("--url", help="The journal, if it is not that of OUTLAST_URL or pyproject.toml.")


@click.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice([state.label for state in State]))
@click.option("--name", default="", help="Only functions whose module:name contains this.")
@click.option("--key", default="", help="Only those with this key.")
@click.option("--queue", default="", help="Only those in this queue.")
@click.option("--limit", default=50, show_default=True, type=count_from_1)
@as_json
@at_url
def list_tasks(
    states: tuple[str, ...],
    limit: int,
    as_json: bool,  # noqa: FBT001
    url: str | None,
    **which: Unpack[Which],
) -> None:
    """List tasks, the newest first.

    TOOK is the time of the last attempt. LANE is where it runs: on the event loop of a task process (loop), in a thread
    there (thread), in a process of its own (alone), or in the web worker (inline). STATE: `outlast status` says what
    each is.

    With --json: a list of objects with id, state, lane, attempt, crashes, follows, created_at, started_at, ended_at
    (seconds since the epoch), run_at (the same: before which it is not begun), function, arguments, origin, reason,
    context, app, release (whose code it is), key, queue, held_back (of one that is ready: paused, limited, or empty),
    result (JSON of what it returned), progress (done, total, note: of its newest attempt, or null). Arguments, context
    and result are redacted; those of more than 8 KiB are not shown.
    """
    with history(url) as (journal, place):
        records = journal.tasks([State[label.upper()] for label in states], limit=limit, **which)
        records = _explained(records, place)
    if as_json:
        say_json([documents.task(record) for record in records])
        return
    if records:
        say(pages.HEADER, mark="header")
    for record in records:
        say(pages.row(record, time.time()), mark=record.state)
    if not records:
        say_aside("no tasks")


@click.command()
@click.argument("task_id", metavar="ID", shell_complete=tasks)
@click.option("--log", "with_log", is_flag=True, help="What its attempts have printed and logged, too.")
@as_json
@at_url
def show(task_id: str, with_log: bool, as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """Show one task and all that happened to it. ID may be the beginning of one.

    With --json: the object of `list`, with `runs_after` and `then` (ids: what it gets something of, and what gets
    something of it), `checkpoint` (where its next attempt goes on), `events` (at, kind, attempt, reason, traceback,
    and at the end of an attempt its seconds) and `incidents` (those of `explain` that it was in); with --log also
    `logs` (attempt, text, and in left_out how many bytes before it are not kept).
    """
    with history(url) as (journal, place):
        (record,) = _explained([journal.task(task_id)], place)
        incidents = journal.incidents_of(record.id)
        logs = journal.logs_of(record.id) if with_log else None
    if as_json:
        say_json(documents.whole_task(record, incidents, logs))
        return
    for number, line in enumerate((*pages.page(record), *pages.incident_lines(incidents))):
        say(line, MOST_SHOWN, hang=11, mark="" if number else record.state)
    for line in () if logs is None else pages.log_lines(logs):
        say(line, MOST_LOG)


@click.command()
@as_json
@at_url
def status(as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """Show how many tasks are in which state, and which processes are there.

    With --json: an object with `counts` by state, `oldest_waiting` (seconds, of those that wait for nobody before
    them), `processes` that live (id, kind, pid, started_at), `blockers` (functions that run alone, and for how many
    seconds they have blocked a loop), `incidents` of the last day, `parked`, `unfinished` (how many of each app and
    release), `elsewhere` (how many processes of each other machine), `runner` (pid, or null) and `backlog`.
    """
    with history(url) as (journal, place):
        summary = journal.summary(time.time())
    backlog, runner = backlog_of(place), living_runner(place)
    living = living_among(place, [one.id for one in summary.processes])
    present = [one for one in summary.processes if one.id in living]
    if as_json:
        say_json(documents.status(summary, present, runner, backlog))
        return
    for line in (*pages.summary_lines(summary, present, runner), *pages.backlog_lines(backlog)):
        say(line)


@contextmanager
def history(url: str | None) -> Iterator[tuple[History, Place]]:
    """The journal to read, named on stderr, and where its processes meet."""
    with told_errors():
        settings = settings_at(url)
        yield open_history(settings.url, settings.redact), place_of(settings)


def settings_at(url: str | None) -> Settings:
    """Those of a command; their journal is named on stderr."""
    settings = Settings.load(url=url)
    say_aside(f"journal {place_of(settings).journal}")
    return settings


@contextmanager
def told_errors() -> Iterator[None]:
    """Errors become one sentence and an exit code."""
    try:
        yield
    except (TaskNotFound, IncidentNotFound, ScheduleNotFound) as error:
        _stop(error, NOT_FOUND)
    except OutlastError as error:
        _stop(error, 1)


def _explained(records: Sequence[Record], place: Place) -> list[Record]:
    """Those that wait have as their reason why nothing can run now, as the runner says."""
    waiting = {record.id for record in records if record.state == State.WAITING.label}
    hindrance = hindrance_in(backlog_of(place)) if waiting else ""
    why = waits.cannot_run(hindrance) if hindrance else ""
    return [replace(one, reason=why or one.reason) if one.id in waiting else one for one in records]


def _stop(error: Exception, code: int) -> None:
    say_aside(f"outlast: {error}")
    sys.exit(code)
