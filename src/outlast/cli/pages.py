"""What `outlast list`, `show` and `status` print, line by line, and their JSON documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from outlast import events, waits
from outlast.cli.output import clock
from outlast.connection import hindrance_in
from outlast.engines.history import Event, Presence, Record, Summary
from outlast.engines.incidents import IncidentRecord
from outlast.tasks import State

STATES = {
    "held": "stored; its response is not over yet",
    "waiting": "runs when its turn comes and there is room",
    "running": "",
    "done": "",
    "failed": "is not run again; `outlast show ID` says why",
    "cancelled": "",
    "dropped": "will not run; `outlast show ID` says why",
    "parked": "waits for code that knows it",
}
LANES = {
    "loop": "on the event loop of a task process",
    "thread": "in a thread of a task process",
    "alone": "in a task process with nothing else in it",
    "inline": "in the web worker itself, as FastAPI alone does: cannot be stopped, and is not run again",
}
KINDS = {"web": "web worker", "child": "task process"}
HEADER = f"{'ID':13}  {'STATE':9}  {'LANE':6}  {'ADDED':25}  {'TOOK':>9}  FUNCTION, REASON"


def row(record: Record, now: float) -> str:
    """Of `list`."""
    reason = record.reason.splitlines()[0] if record.reason else ""
    known = f"{record.id}  {record.state:9}  {record.lane:6}  {clock(record.created_at):25}"
    return f"{known}  {_took(record, now):>9}  {record.function}  {reason}".rstrip()


def page(record: Record) -> Iterator[str]:
    """Of `show`: one task, and all that happened to it."""
    yield f"task       {record.id}  {record.state}"
    yield f"function   {record.function}"
    yield f"arguments  {record.arguments or '(not stored: lane inline)'}"
    if record.app:
        yield f"app        {record.app}  release {record.release or 'not known'}"
    if record.context:
        yield f"context    {record.context}"
    yield f"asked by   {record.origin}"
    yield f"lane       {record.lane}: {LANES.get(record.lane, 'not known')}"
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
    spent = seconds_spent(record.events)
    for event, seconds in zip(record.events, spent, strict=True):
        yield from _event_lines(event, seconds)


def seconds_spent(events_of_one: Sequence[Event]) -> list[float | None]:
    """How long the attempt had taken that an event is the end of; None for any other event."""
    began: dict[int, float] = {}
    spent: list[float | None] = []
    for event in events_of_one:
        start = began.pop(event.attempt, None)
        if event.kind == "started":
            began[event.attempt] = event.at
        spent.append(None if start is None or event.kind == "started" else max(0.0, event.at - start))
    return spent


def _event_lines(event: Event, seconds: float | None) -> Iterator[str]:
    attempt = f"attempt {event.attempt} " if event.attempt else ""
    after = "" if seconds is None else f" after {seconds:.2f} s"
    because = f": {event.reason}" if event.reason else ""
    yield f"{clock(event.at)}  {attempt}{event.kind}{after}{because}"
    for line in event.traceback.rstrip().splitlines():
        yield f"    {line}"


def incident_lines(incidents: Sequence[IncidentRecord]) -> Iterator[str]:
    """What happened to the processes that a task was in."""
    if incidents:
        yield ""
    for one in reversed(incidents):
        yield f"{clock(one.last_at)}  incident {one.id}, {one.process} {one.pid}: {one.sentence}"


def summary_lines(summary: Summary, present: Sequence[Presence], runner: int | None) -> Iterator[str]:
    """Of `status`; `present` are the processes that live."""
    for label, count in summary.counts.items():
        yield f"{label:10}{count:>9}   {STATES.get(label, '')}".rstrip()
    if summary.oldest_waiting is not None:
        yield f"oldest waiting task: {summary.oldest_waiting:.1f} s"
    for function, seconds in summary.blockers.items():
        yield _blocker(function, seconds)
    found = summary.incidents
    if found.stalls or found.deaths:
        yield events.incidents_counted(found.stalls, found.times, found.deaths)
    for process in present:
        yield f"{KINDS.get(process.kind, process.kind)} {process.pid} since {clock(process.started_at)}"
    for share in summary.unfinished if len(summary.unfinished) > 1 else ():
        release = f" release {share.release}" if share.release else ""
        yield f"{share.count} of the unfinished tasks are of {share.app or 'no known app'}{release}"
    for function, (count, reason) in summary.parked.items():
        yield waits.parked(function, count, reason)
    if runner is None:
        yield waits.nobody_runs(summary.counts["waiting"])


def backlog_lines(backlog: Mapping[str, Any]) -> Iterator[str]:
    """What keeps tasks waiting, and what processes have in memory since the journal does not take it."""
    if hindrance := hindrance_in(backlog):
        yield waits.cannot_start(hindrance)
    if unwritten := backlog.get("runner"):
        what = ", ".join(f"{count} {name.lower()}" for name, count in sorted(unwritten.items()))
        yield f"the runner has not written yet: {what}"
    if backlog.get("put_back"):
        yield f"{backlog['put_back']} attempts have come back from a task process and wait for another one"
    for pid, count in (backlog.get("web") or {}).items():
        yield f"web worker {pid} has {count} changes waiting, since the journal takes none"


def document(record: Record) -> dict[str, Any]:
    """A task for JSON, without its events. Arguments and context are what they are, not text that holds JSON."""
    values = {name: value for name, value in asdict(record).items() if name != "events"}
    return values | {name: _parsed(values[name]) for name in ("arguments", "context")}


def events_document(record: Record) -> list[dict[str, Any]]:
    """What happened to a task, for JSON; `seconds`: how long the attempt had taken that this is the end of."""
    spent = seconds_spent(record.events)
    return [{**asdict(event), "seconds": seconds} for event, seconds in zip(record.events, spent, strict=True)]


def in_short(incident: IncidentRecord) -> dict[str, Any]:
    """For JSON, of an incident that was read without its stack and what was in its process."""
    return {name: value for name, value in asdict(incident).items() if name not in ("stack", "flights")}


def _parsed(text: str) -> Any:
    """None where nothing is stored; the text where it is too long to be read here whole."""
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text


def _took(record: Record, now: float) -> str:
    """How long its last attempt took, or has taken so far; one that waits again takes no time."""
    is_over = record.ended_at is not None
    if record.started_at is None or not (is_over or record.state == State.RUNNING.label):
        return "-"
    return f"{max(0.0, (record.ended_at or now) - record.started_at):.2f} s"


def _blocker(function: str, seconds: float) -> str:
    return f"{function} has blocked an event loop for {seconds:.1f} s: it runs alone until its code changes"
