"""`outlast list`, `show`, `status`: read the journal, and nothing else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click

from outlast import events, waits
from outlast.cli.output import MOST_SHOWN, clock, say, say_aside, say_json
from outlast.connection import backlog_of
from outlast.engines.history import Event, History, Record, Summary
from outlast.engines.incidents import IncidentRecord
from outlast.engines.place import journal_path
from outlast.errors import IncidentNotFound, OutlastError, TaskNotFound
from outlast.liveness import living_runner
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
    """List tasks, the newest first."""
    with history(url) as journal:
        records = journal.tasks([State[label.upper()] for label in states], name, limit)
    if as_json:
        say_json([_plain(record) for record in records])
        return
    for record in records:
        say(_line(record, time.time()))
    if not records:
        say_aside("no tasks")


@click.command()
@click.argument("task_id", metavar="ID")
@as_json
@at_url
def show(task_id: str, as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """Show one task and all that happened to it. ID may be the beginning of one."""
    with history(url) as journal:
        record = journal.task(task_id)
        incidents = journal.incidents_of(record.id)
    if as_json:
        say_json({**asdict(record), "incidents": [in_short(one) for one in incidents]})
        return
    for line in (*_page(record), *_incident_lines(incidents)):
        say(line, MOST_SHOWN)


@click.command()
@as_json
@at_url
def status(as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """Show how many tasks are in which state, and which processes are there."""
    with history(url) as journal:
        summary = journal.summary(time.time())
        backlog, runner = backlog_of(Place.of(journal.path)), living_runner(Place.of(journal.path))
    if as_json:
        written = {name: backlog.get(name) for name in ("runner", "put_back", "web")}
        say_json({**asdict(summary), "runner": runner, "backlog": written})
        return
    for line in (*_summary_lines(summary), *_parked_lines(summary, runner), *_backlog_lines(backlog)):
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


def in_short(incident: IncidentRecord) -> dict[str, Any]:
    """For JSON, of an incident that was read without its stack and what was in its process."""
    return {name: value for name, value in asdict(incident).items() if name not in ("stack", "flights")}


def _stop(error: Exception, code: int) -> None:
    say_aside(f"outlast: {error}")
    sys.exit(code)


def _plain(record: Record) -> dict[str, Any]:
    return {name: value for name, value in asdict(record).items() if name != "events"}


def _line(record: Record, now: float) -> str:
    took = _duration(record, now)
    reason = record.reason.splitlines()[0] if record.reason else ""
    return f"{record.id}  {record.state:9} {clock(record.created_at)}  {took:>8}  {record.function}  {reason}".rstrip()


def _page(record: Record) -> Iterator[str]:
    yield f"task       {record.id}  {record.state}"
    yield f"function   {record.function}"
    yield f"arguments  {record.arguments or '(not stored: lane inline)'}"
    if record.context:
        yield f"context    {record.context}"
    yield f"asked by   {record.origin}"
    yield f"lane       {record.lane}"
    if record.blocked:
        yield f"learned    {_blocker(record.function, record.blocked)}"
    if record.follows:
        yield f"follows    {record.follows}"
    if record.reason:
        yield f"reason     {record.reason}"
    if record.state == State.PARKED.label:
        yield f"           {waits.PARKED_REMEDY}"
    yield ""
    yield f"{clock(record.created_at)}  stored"
    for event in record.events:
        yield from _event_lines(event)


def _event_lines(event: Event) -> Iterator[str]:
    attempt = f"attempt {event.attempt} " if event.attempt else ""
    because = f": {event.reason}" if event.reason else ""
    yield f"{clock(event.at)}  {attempt}{event.kind}{because}"
    for line in event.traceback.rstrip().splitlines():
        yield f"    {line}"


def _incident_lines(incidents: Sequence[IncidentRecord]) -> Iterator[str]:
    if incidents:
        yield ""
    for one in reversed(incidents):
        yield f"{clock(one.last_at)}  incident {one.id}, {one.process} {one.pid}: {one.sentence}"


def _summary_lines(summary: Summary) -> Iterator[str]:
    for label, count in summary.counts.items():
        yield f"{label:10}{count:>9}"
    if summary.oldest_waiting is not None:
        yield f"oldest waiting task: {summary.oldest_waiting:.1f} s"
    for function, seconds in summary.blockers.items():
        yield _blocker(function, seconds)
    found = summary.incidents
    if found.stalls or found.deaths:
        yield events.incidents_counted(found.stalls, found.times, found.deaths)
    for process in summary.processes:
        yield f"{process.kind} {process.pid} since {clock(process.started_at)}"


def _parked_lines(summary: Summary, runner: int | None) -> Iterator[str]:
    """What waits for something else than its turn."""
    for function, (count, reason) in summary.parked.items():
        yield waits.parked(function, count, reason)
    if runner is None:
        yield waits.nobody_runs(summary.counts["waiting"])


def _backlog_lines(backlog: Mapping[str, Any]) -> Iterator[str]:
    """What processes have in memory since the journal does not take it."""
    if unwritten := backlog.get("runner"):
        what = ", ".join(f"{count} {name.lower()}" for name, count in sorted(unwritten.items()))
        yield f"the runner has not written yet: {what}"
    if backlog.get("put_back"):
        yield f"{backlog['put_back']} attempts have come back from a task process and wait for another one"
    for pid, count in (backlog.get("web") or {}).items():
        yield f"web worker {pid} has {count} changes waiting, since the journal takes none"


def _blocker(function: str, seconds: float) -> str:
    return f"{function} has blocked an event loop for {seconds:.1f} s: it runs alone until its code changes"


def _duration(record: Record, now: float) -> str:
    if record.started_at is None:
        return "-"
    return f"{max(0.0, (record.ended_at or now) - record.started_at):.2f} s"
