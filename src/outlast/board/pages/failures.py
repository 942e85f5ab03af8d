"""What has failed, put together by function, exception and line: a hundred failures of one kind are one row."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outlast.board import charts
from outlast.board.said import said_in
from outlast.board.visit import Page, Visit
from outlast.ids import shown
from outlast.journal.survey import Failure
from outlast.system.whose import is_users

MOST_LOOKED_AT = 1_000
PARTS = 24  # of the time between the first and the last, in the line that shows how often
_FRAME = re.compile(r'^[\s|]*File "([^"\n]*)", line (\d+), in ', re.MULTILINE)  # those of a group have a margin
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?=[:;]|$)")  # one without a text may have more behind it: no retry is left
_NUMBER = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True, slots=True)
class Group:
    """Failures of one kind, the newest first. mark: tells the kind in a form. place: file and line, empty for none.

    line: points of how often it has happened from first to last.
    """

    mark: str
    function: str
    exception: str
    place: str
    count: int
    first: float
    last: float
    newest: str
    reason: str
    line: str
    ids: tuple[int, ...]


def failures(visit: Visit) -> Page:
    """Of the tasks that have failed last."""
    found = visit.survey.failures(MOST_LOOKED_AT)
    values = {
        "groups": grouped(found),
        "count": len(found),
        "are_all": len(found) < MOST_LOOKED_AT,
        "said": said_in(visit.query.get("said", "")),
    }
    return Page("failures.html", "Failures", values)


def grouped(found: Iterable[Failure]) -> list[Group]:
    """The kind that happened last first."""
    kinds: dict[tuple[str, str, str], list[Failure]] = {}
    for one in found:
        kinds.setdefault((one.function, exception_in(one.reason), place_in(one.traceback)), []).append(one)
    groups = [_group(kind, members) for kind, members in kinds.items()]
    return sorted(groups, key=lambda group: group.last, reverse=True)


def _group(kind: tuple[str, str, str], members: Sequence[Failure]) -> Group:
    newest, times = members[0], [one.at for one in members]
    first, last = min(times), max(times)
    part = (last - first) / PARTS or 1.0
    counts = [0] * PARTS
    for at in times:
        counts[min(PARTS - 1, int((at - first) / part))] += 1
    mark = hashlib.sha256("\0".join(kind).encode(errors="replace")).hexdigest()[:16]
    reason = newest.reason.splitlines()[0] if newest.reason else ""
    line = charts.sparkline(counts) if len(members) > 1 else ""
    ids = tuple(one.id for one in members)
    return Group(mark, *kind, len(members), first, last, shown(newest.id), reason, line, ids)


def exception_in(reason: str) -> str:
    """The class that a reason begins with; else the reason, in which no number tells one from another."""
    found = _EXCEPTION.match(reason)
    return found[0] if found else _NUMBER.sub("…", reason.partition("\n")[0])


def place_in(traceback: str) -> str:
    """File and line of the last frame, such as `shop/orders.py:12`: the last in code of users, if there is one."""
    frames = _FRAME.findall(traceback)
    if not frames:
        return ""
    file, line = ([frame for frame in frames if is_users(frame[0])] or frames)[-1]
    return f"{'/'.join(file.split('/')[-2:])}:{line}"
