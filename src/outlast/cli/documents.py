"""What `--json` prints: what the journal has, as documents for programs. docs/json/ says what is in each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from outlast.cli.followed import Happened, News
from outlast.ids import shown
from outlast.journal.care import Health
from outlast.journal.read import (
    AttemptLog,
    FlightRecord,
    IncidentRecord,
    Presence,
    Printed,
    Record,
    ScheduleRecord,
    Summary,
)
from outlast.journal.survey import Overview, Queue
from outlast.journal.telling import seconds_spent

Document = dict[str, Any]
"""Its `schema` names it, with a number that is another one when a program that reads it would have to be changed."""

_OF_ONE = ("events", "runs_after", "then", "checkpoint")  # fields of a task that are there where one is asked for


def of(schema: str, values: Mapping[str, Any]) -> Document:
    """A document with `values` of its own."""
    return {"schema": schema, **values}


def task(record: Record) -> Document:
    """Arguments and context are what they are, not text that holds JSON."""
    values = {name: value for name, value in asdict(record).items() if name not in _OF_ONE}
    return of("task/1", values | {name: _parsed(values[name]) for name in ("arguments", "context")})


def whole_task(record: Record, incidents: Sequence[IncidentRecord], logs: Sequence[AttemptLog] | None) -> Document:
    """The same, with all that happened to it; `seconds` of an event: how long the attempt had taken that it ends."""
    spent = seconds_spent(record.events)
    events = [{**asdict(event), "seconds": seconds} for event, seconds in zip(record.events, spent, strict=True)]
    links = {"runs_after": record.runs_after, "then": record.then, "checkpoint": _parsed(record.checkpoint)}
    told = {"events": events, "incidents": [incident(one) for one in incidents]}
    return task(record) | links | told | ({} if logs is None else {"logs": [asdict(one) for one in logs]})


def news(one: News) -> Iterator[Document]:
    """What `tail` tells."""
    match one:
        case Happened(record, event):
            yield of("event/1", {"task": record.id, "function": record.function, **asdict(event)})
        case Printed():
            yield from lines(one)
        case _:
            yield task(one)


def lines(printed: Printed) -> Iterator[Document]:
    """Each of what an attempt has printed and logged; the first says what is missing before it."""
    for number, line in enumerate(printed.lines):
        left_out = 0 if number else printed.left_out
        yield of("line/1", {"task": printed.task, "attempt": printed.until.attempt, "line": line, "left_out": left_out})


def incident(one: IncidentRecord) -> Document:
    """One that was read without its stack and what was in its process."""
    return of("incident/1", {name: value for name, value in asdict(one).items() if name not in ("stack", "flights")})


def whole_incident(one: IncidentRecord, fates: Sequence[tuple[FlightRecord, str]]) -> Document:
    """The same, with these, and what became of what was in its process."""
    flights = [{**asdict(flight), "fate": became} for flight, became in fates]
    return incident(one) | {"stack": one.stack, "flights": flights}


def status(summary: Summary, present: Sequence[Presence], runner: int | None, backlog: Mapping[str, Any]) -> Document:
    """`present`: the processes that live. runner: its pid."""
    written = {name: backlog.get(name) for name in ("runner", "put_back", "web", "hindrance")}
    there = {"processes": [asdict(one) for one in present], "runner": runner, "backlog": written}
    return of("status/1", {**asdict(summary), **there})


def top(
    overview: Overview, waits: float | None, present: Sequence[Presence], runner: int | None, running: Sequence[Record]
) -> Document:
    """`present`: the processes that live. waits: for how long the first in line does. runner: its pid."""
    there = {"oldest_waiting": waits, "processes": [asdict(one) for one in present], "runner": runner}
    counted = {"counts": overview.counts, "incidents": asdict(overview.incidents)}
    return of("top/1", counted | there | {"running": [task(one) for one in running]})


def queue(one: Queue) -> Document:
    """As `queue list` has it."""
    return of("queue/1", asdict(one))


def schedule(one: ScheduleRecord) -> Document:
    """As `schedule list` has it."""
    return of("schedule/1", asdict(one))


def health(found: Health) -> Document:
    """Of a journal."""
    return of("health/1", asdict(found))


def config(values: Mapping[str, Any], origins: Mapping[str, str]) -> Document:
    """Of each setting its value and where that comes from."""
    settings = {name: {"value": value, "origin": origins.get(name, "default")} for name, value in values.items()}
    return of("config/1", settings)


def changed(done: Mapping[int, bool], refused: Mapping[str, str], verb: str) -> Document:
    """What became of tasks that somebody wants to be changed. verb: such as `retried`."""
    ids = [shown(one) for one, is_done in done.items() if is_done]
    return of("change/1", {verb: ids, "refused": refused, "counts": {verb: len(ids), "refused": len(refused)}})


def schedule_changed(one: ScheduleRecord, verb: str, *, is_done: bool) -> Document:
    """What became of a schedule that somebody wants to be changed. verb: such as `paused`."""
    return of("schedule-change/1", {"name": one.name, "app": one.app, verb: is_done})


def _parsed(text: str) -> Any:
    """None where nothing is stored; the text where it is too long to be read here whole."""
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text
