"""A report as people read it, and as programs do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from typing import Any

from outlast.doctor.examine import Report
from outlast.doctor.findings import Finding, Severity
from outlast.doctor.project import shown_file
from outlast.doctor.tasks import UNKNOWN_LANE, ListedTask


def as_document(report: Report) -> dict[str, Any]:
    """For JSON; files are relative to the current folder where they are below it."""
    tasks = [asdict(replace(task, file=_file(task.file))) for task in report.tasks]
    findings = [asdict(replace(one, file=_file(one.file))) for one in report.findings]
    return {"app": report.app, "journal": report.journal, "tasks": tasks, "findings": findings}


def as_lines(report: Report) -> Iterator[str]:
    """The tasks, then what was found, by kind, then how much that is."""
    yield f"Tasks of {report.app}"
    yield from _table(report.tasks)
    for heading, found in groupby(report.findings, lambda one: one.code.heading):
        yield from ("", heading)
        for one in found:
            yield from _lines(one)
    yield ""
    yield _sum(report)


def _table(tasks: Sequence[ListedTask]) -> Iterator[str]:
    rows = [(_place(task.file, task.line), task.function, task.lane, _reason(task)) for task in tasks]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for place, function, lane, reason in rows:
        yield f"  {place:{widths[0]}}  {lane:{widths[2]}}  {function:{widths[1]}}  {reason}".rstrip()
    if not tasks:
        yield "  none"


def _lines(one: Finding) -> Iterator[str]:
    mark = "note: " if one.severity is Severity.NOTE else ""
    yield f"  {_place(one.file, one.line)}  {one.code}  {mark}{one.sentence}"
    yield f"      {one.remedy}"


def _sum(report: Report) -> str:
    notes = sum(one.severity is Severity.NOTE for one in report.findings)
    known = f"{_count(len(report.findings) - notes, 'finding')}, {_count(notes, 'note')}"
    unknown = sum(one.lane == UNKNOWN_LANE for one in report.tasks)
    where = f"; nothing can be said of {_count(unknown, 'place')} (lane {UNKNOWN_LANE}, above)"
    return known + where * bool(unknown)


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _place(file: str, line: int) -> str:
    return f"{_file(file)}:{line}" if line else _file(file)


def _file(file: str) -> str:
    return shown_file(file) if file.startswith("/") else file


def _reason(task: ListedTask) -> str:
    """Without the function, which stands before it."""
    return task.reason.removeprefix(task.function).lstrip(":, ")
