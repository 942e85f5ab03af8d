"""What people are told of what a journal has, beyond what stands there: the same on the command line and in pages."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from outlast.events import endings
from outlast.events.journal import NOT_THERE_ANY_MORE
from outlast.journal.read import Event, FlightRecord, IncidentRecord, Record
from outlast.journal.survey import MOST_COUNTED
from outlast.tasks.task import State
from outlast.watch.incident import IncidentKind

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


def clock(at: float) -> str:
    """A time as people read it here, to the second, with its zone: as the runner's log has it."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at))
    except (ValueError, OverflowError, OSError):  # a number that is no time
        return f"{at:25}"


def counted(count: int) -> str:
    """How many there are, as far as they are counted."""
    return f"{min(count, MOST_COUNTED):,}".replace(",", "\u202f") + "+" * (count > MOST_COUNTED)


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


def took(record: Record, now: float) -> float | None:
    """How many seconds its last attempt took, or has taken so far; None for one that waits (again)."""
    is_over = record.ended_at is not None
    if record.started_at is None or not (is_over or record.state == State.RUNNING.label):
        return None
    return max(0.0, (record.ended_at or now) - record.started_at)


def fate(flight: FlightRecord, incident: IncidentRecord, tasks: Mapping[str, Record]) -> str:
    """What became of something that was in a process; empty where nothing can be said. tasks: those that are known."""
    if not flight.task:
        return endings.CUT if incident.kind == IncidentKind.DEATH else ""
    if flight.task not in tasks:
        return NOT_THERE_ANY_MORE
    task = tasks[flight.task]
    at = task.started_at if task.state == "running" else task.ended_at
    reason = task.reason.splitlines()[0] if task.reason else ""
    return endings.became(task.state, task.attempt, "" if at is None else clock(at), reason)
