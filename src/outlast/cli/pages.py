"""What `outlast list`, `show` and `status` print, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outlast.events import journal, processes, waits
from outlast.journal.read import AttemptLog, Event, IncidentRecord, Presence, Printed, Record, Summary
from outlast.journal.survey import Queue
from outlast.journal.telling import KINDS, LANES, STATES, clock, counted, seconds_spent, took
from outlast.tasks.task import State
from outlast.web.connection import hindrance_in

HEADER = f"{'ID':13}  {'STATE':9}  {'LANE':6}  {'ADDED':25}  {'TOOK':>9}  FUNCTION, REASON"
QUEUES = f"{'QUEUE':24}  {'WAITING':>9}  {'RUNNING':>9}  {'AT ONCE':>9}  {'RATE':>9}"


def row(record: Record, now: float) -> str:
    """Of `list`."""
    when = "" if record.run_at is None else f"not before {clock(record.run_at)}"
    held_back = waits.held_back(record.queue, record.held_back)
    so_far = str(record.progress) if record.progress and record.state == State.RUNNING.label else ""
    why = "; ".join(filter(None, (when, held_back, so_far, *record.reason.splitlines()[:1])))
    known = f"{record.id}  {record.state:9}  {record.lane:6}  {clock(record.created_at):25}"
    return f"{known}  {_took(record, now):>9}  {record.function}  {why}".rstrip()


def moment(record: Record) -> str:
    """Of `tail`: what has just become of a task."""
    at = record.ended_at or record.started_at or record.created_at
    why = str(record.progress or "") if record.state == State.RUNNING.label else record.reason
    attempt = f"attempt {record.attempt}" if record.attempt else "added"
    return f"{clock(at)}  {record.id}  {record.state:9}  {attempt:10}  {record.function}  {why}".rstrip()


def happened(record: Record, event: Event) -> str:
    """Of `tail`: what has happened to a task before that."""
    known = f"{clock(event.at)}  {record.id}  {event.kind:9}  attempt {event.attempt:<2}  {record.function}"
    return f"{known}  {event.reason}".rstrip()


def printed_lines(printed: Printed) -> Iterator[str]:
    """Of `tail`: what a task has printed or logged."""
    if printed.left_out:
        yield f"{printed.task} | {_not_kept(printed.left_out)}"
    yield from (f"{printed.task} | {line}" for line in printed.lines)


def page(record: Record) -> Iterator[str]:
    """Of `show`: one task, and all that happened to it."""
    yield f"task       {record.id}  {record.state}"
    yield f"function   {record.function}"
    yield f"arguments  {record.arguments or '(not stored: lane inline)'}"
    if record.result:
        yield f"result     {record.result}"
    if record.app:
        yield f"app        {record.app}  release {record.release or 'not known'}"
    if record.context:
        yield f"context    {record.context}"
    yield f"asked by   {record.origin}"
    yield f"lane       {record.lane}: {LANES.get(record.lane, 'not known')}"
    if record.blocked:
        yield f"learned    {_blocker(record.function, record.blocked)}"
    yield from _line_lines(record)
    if record.progress:
        yield f"progress   {record.progress}"
    if record.checkpoint:
        yield f"checkpoint {record.checkpoint}"
    if record.reason:
        yield f"reason     {record.reason}"
    if record.state == State.PARKED.label:
        yield f"           {waits.PARKED_REMEDY}"
    yield ""
    yield f"{clock(record.created_at)}  stored"
    spent = seconds_spent(record.events)
    for event, seconds in zip(record.events, spent, strict=True):
        yield from _event_lines(event, seconds)


def _line_lines(record: Record) -> Iterator[str]:
    """What a task shares with others, and what it waits for."""
    if record.key:
        yield f"key        {record.key}"
    if record.queue:
        yield f"queue      {record.queue}"
    if record.follows:
        yield f"follows    {record.follows}"
    if record.runs_after:
        yield f"runs after {', '.join(record.runs_after)}"
    if record.then:
        yield f"then       {', '.join(record.then)}"
    if record.run_at is not None:
        yield f"begins     not before {clock(record.run_at)}"
    if record.held_back:
        yield f"begins     {waits.held_back(record.queue, record.held_back)}"


def _event_lines(event: Event, seconds: float | None) -> Iterator[str]:
    attempt = f"attempt {event.attempt} " if event.attempt else ""
    after = "" if seconds is None else f" after {seconds:.2f} s"
    because = f": {event.reason}" if event.reason else ""
    yield f"{clock(event.at)}  {attempt}{event.kind}{after}{because}"
    for line in event.traceback.rstrip().splitlines():
        yield f"    {line}"


def log_lines(logs: Sequence[AttemptLog]) -> Iterator[str]:
    """What attempts have printed and logged."""
    yield from ("", "nothing was printed or logged") if not logs else ()
    for one in logs:
        yield ""
        yield f"attempt {one.attempt} has printed and logged:"
        if one.left_out:
            yield f"    {_not_kept(one.left_out)}"
        yield from (f"    {line}" for line in one.text.splitlines())


def _not_kept(size: int) -> str:
    return f"({size} bytes before this are not kept, by the setting `max_log`)"


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
        yield journal.incidents_counted(found.stalls, found.times, found.deaths)
    for process in present:
        yield f"{KINDS.get(process.kind, process.kind)} {process.pid} since {clock(process.started_at)}"
    for host, count in summary.elsewhere.items():
        yield processes.elsewhere(host, count)
    for share in summary.unfinished if len(summary.unfinished) > 1 else ():
        release = f" release {share.release}" if share.release else ""
        yield f"{share.count} of the unfinished tasks are of {share.app or 'no known app'}{release}"
    for function, (count, reason) in summary.parked.items():
        yield str(waits.TasksParked(function, count, reason))
    if runner is None:
        yield waits.nobody_runs(summary.counts["waiting"])


def backlog_lines(backlog: Mapping[str, Any]) -> Iterator[str]:
    """What keeps tasks waiting, and what processes have in memory since the journal does not take it."""
    if hindrance := hindrance_in(backlog):
        yield waits.cannot_run(hindrance)
    if unwritten := backlog.get("runner"):
        what = ", ".join(f"{count} {name.lower()}" for name, count in sorted(unwritten.items()))
        yield f"the runner has not written yet: {what}"
    if backlog.get("put_back"):
        yield f"{backlog['put_back']} attempts have come back from a task process and wait for another one"
    for pid, count in (backlog.get("web") or {}).items():
        yield f"web worker {pid} has {count} changes waiting that the journal has not taken yet"


def queue_row(one: Queue) -> str:
    """Of `queue list`."""
    paused = "" if one.paused_at is None else f"paused since {clock(one.paused_at)}"
    most = str(one.concurrency or "any")
    counts = f"{counted(one.waiting):>9}  {counted(one.running):>9}  {most:>9}  {one.rate or 'any':>9}"
    return f"{one.name:24}  {counts}  {paused}".rstrip()


def _took(record: Record, now: float) -> str:
    seconds = took(record, now)
    return "-" if seconds is None else f"{seconds:.2f} s"


def _blocker(function: str, seconds: float) -> str:
    return f"{function} has blocked an event loop for {seconds:.1f} s: it runs alone until its code changes"
