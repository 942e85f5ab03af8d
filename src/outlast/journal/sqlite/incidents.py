"""How an incident lies in a journal, and how it is read again.

Names and stacks come from other processes, from some of them after their death: whatever they hold, what is stored
is short and printable, and so is what is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apsw

from outlast.ids import LARGEST_ID, shown
from outlast.journal.read import FlightRecord, IncidentRecord
from outlast.journal.sqlite import statements as sql
from outlast.system.machine import HOST
from outlast.text import MOST_NAME, MOST_REASON, clean, one_line
from outlast.watch.incident import Flight, Incident

DAY = 86_400.0  # seconds; for so long the stalls of one culprit are counted together
MOST_INCIDENTS = 1000
MOST_STACK = 20_000
MOST_FLIGHTS = 64
MOST_JSON = 1_000_000  # letters of the flights' JSON, more than the longest flights make
_LINES = ("kind", "cause", "process", "machine", "culprit", "sentence")
MOST_NUMBER = 1_000_000_000_000


def to_row(incident: Incident, now: float) -> Mapping[str, Any]:
    """What is stored of it, by column; `at` is when it was over. Nothing in it can be refused."""
    return {
        "kind": str(incident.kind),
        "cause": str(incident.cause),
        "process": one_line(incident.process, MOST_NAME),
        "pid": _whole(incident.pid, MOST_NUMBER),
        "machine": HOST,
        "at": _seconds(incident.at) or now,
        "times": max(1, _whole(incident.times, MOST_NUMBER)),
        "seconds": _seconds(incident.seconds),
        "culprit": one_line(incident.culprit, MOST_NAME),
        "sentence": one_line(incident.sentence, MOST_REASON),
        "stack": clean(incident.stack, MOST_STACK),
        "flights": json.dumps([_flight(one) for one in incident.flights[:MOST_FLIGHTS]]),
    }


def record(connection: apsw.Connection, incidents: Iterable[Incident], now: float) -> None:
    """Store them; a stall of a culprit of the last day is counted. In a transaction.

    Where no task was ever stored there is no runner to prune, so this keeps no more than the newest by itself.
    """
    incidents = list(incidents)
    for incident in incidents:
        values = {**to_row(incident, now), "day_ago": now - DAY, "most": MOST_FLIGHTS}
        if not connection.execute(sql.JOIN_INCIDENT, values).fetchall():
            connection.execute(sql.ADD_INCIDENT, values)
    if incidents:
        connection.execute(sql.KEEP_NEWEST_INCIDENTS, (MOST_INCIDENTS,))


def _flight(one: Flight) -> dict[str, Any]:
    name, lane = one_line(one.name, MOST_NAME), one_line(one.lane, MOST_NAME)
    return {"name": name, "seconds": _seconds(one.seconds), "task": _whole(one.task, LARGEST_ID), "lane": lane}


def from_row(row: Sequence[Any]) -> IncidentRecord:
    """An incident from its columns, text as bytes, in the order of the record's fields."""
    values = dict(zip(IncidentRecord.__slots__, row, strict=True))
    values |= {name: one_line(as_text(values[name]), MOST_REASON) for name in _LINES}
    values |= {name: _seconds(values[name]) for name in ("first_at", "last_at", "seconds")}
    values |= {"stack": clean(as_text(values["stack"]), MOST_STACK), "flights": _flights(as_text(values["flights"]))}
    return IncidentRecord(**values)


def as_text(stored: bytes | None) -> str:
    """Text that was read as bytes, since it may be none."""
    return "" if stored is None else stored.decode(errors="backslashreplace")


def _flights(text: str) -> tuple[FlightRecord, ...]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    flights = found[:MOST_FLIGHTS] if isinstance(found, list) else []
    return tuple(_flight_record(one) for one in flights if isinstance(one, dict))


def _flight_record(one: Mapping[str, Any]) -> FlightRecord:
    task = _whole(one.get("task"), LARGEST_ID)
    return FlightRecord(
        name=one_line(one.get("name"), MOST_NAME),
        seconds=_seconds(one.get("seconds")),
        task=shown(task) if task else "",
        lane=one_line(one.get("lane"), MOST_NAME),
    )


def _seconds(number: object) -> float:
    return float(number) if isinstance(number, int | float) and 0 <= number <= MOST_NUMBER else 0.0


def _whole(number: object, most: int) -> int:
    return number if isinstance(number, int) and 0 <= number <= most else 0
