"""`outlast explain`: who blocked, who died, and what became of what was in the process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from outlast.cli import documents
from outlast.cli.output import MOST_SHOWN, say, say_aside, say_json
from outlast.cli.ranges import count_from_1
from outlast.cli.read import as_json, at_url, history
from outlast.journal.read import FlightRecord, IncidentRecord
from outlast.journal.telling import clock, fate

HEADER = f"{'ID':>6}  {'LAST':25}  {'PROCESS':20}  {'CAUSE':9}  TIMES  WHAT HAPPENED"
Fates = Sequence[tuple[FlightRecord, str]]
"""What was in a process, each with what became of it; empty where nothing can be said."""


@click.command()
@click.argument("incident_id", metavar="[ID]", required=False)
@click.option("--limit", default=20, show_default=True, type=count_from_1, help="Without ID: how many.")
@as_json
@at_url
def explain(incident_id: str | None, limit: int, as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """Tell which event loops were blocked and which processes died, and why: the last ones, or one whole.

    With --json: objects with id, kind (stall or death), cause, process, pid, machine, first_at, last_at (seconds since
    the epoch), times, seconds, culprit, sentence; one that is named also has `stack` and `flights` (what was in the
    process, and its fate).
    """
    if incident_id is None:
        _explain_last(limit, as_json=as_json, url=url)
    else:
        _explain_one(incident_id, as_json=as_json, url=url)


def _explain_last(limit: int, *, as_json: bool, url: str | None) -> None:
    with history(url) as (journal, _):
        incidents = journal.incidents(limit)
    if as_json:
        say_json([documents.incident(one) for one in incidents])
        return
    if incidents:
        say(HEADER, mark="header")
    for one in incidents:
        say(_line(one))
    if not incidents:
        say_aside("no incidents")


def _explain_one(number: str, *, as_json: bool, url: str | None) -> None:
    with history(url) as (journal, _):
        incident = journal.incident(number)
        tasks = journal.tasks_of([one.task for one in incident.flights if one.task])
    fates = [(one, fate(one, incident, tasks)) for one in incident.flights]
    if as_json:
        say_json(documents.whole_incident(incident, fates))
        return
    for line in _page(incident, fates):
        say(line, MOST_SHOWN)


def _line(one: IncidentRecord) -> str:
    where = f"{one.process} {one.pid}"
    return f"{one.id:>6}  {clock(one.last_at)}  {where:20}  {one.cause:9}  {f'{one.times}×':>5}  {one.sentence}"


def _page(incident: IncidentRecord, fates: Fates) -> Iterator[str]:
    yield incident.sentence
    yield ""
    yield f"incident   {incident.id}  {incident.kind}, {incident.cause}"
    yield f"process    {incident.process} {incident.pid} on {incident.machine}"
    yield f"when       {_when(incident)}"
    if incident.seconds:
        yield f"blocked    {incident.seconds:.1f} s{' at most' * (incident.times > 1)}"
    if incident.culprit:
        yield f"culprit    {incident.culprit}"
    yield from _stack_lines(incident.stack)
    yield from _flight_lines(fates, incident.times)


def _when(incident: IncidentRecord) -> str:
    if incident.times == 1:
        return clock(incident.last_at)
    return f"{incident.times} times, first {clock(incident.first_at)}, last {clock(incident.last_at)}"


def _flight_lines(fates: Fates, times: int) -> Iterator[str]:
    yield ""
    which = f" (the last time, and tasks of all {times} times)" if times > 1 else ""
    yield f"in flight{which}:" if fates else "nothing is known to have been in flight"
    for flight, became in fates:
        what = f"{flight.task}  {flight.name}  {flight.lane}" if flight.task else flight.name
        yield f"    {what}  {flight.seconds:.1f} s  {became}".rstrip()


def _stack_lines(stack: str) -> Iterator[str]:
    if stack:
        yield ""
        yield "stack:"
    for line in stack.rstrip().splitlines():
        yield f"    {line}"
