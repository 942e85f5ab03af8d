"""Tasks and attempts as rows of a SQLite journal, and back.

Words for people are made clean once more here, so that whoever forgets it costs a strange letter and no more. What
decides how a task runs is stored as it is, or refused with a ValueError.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from outlast.journal.contract import Parked
from outlast.journal.sqlite.incidents import as_text
from outlast.journal.turn import CLAIM_BYTES, Reached
from outlast.system.deployment import Home
from outlast.tasks.ids import TaskIds
from outlast.tasks.limits import NO_LIMITS
from outlast.tasks.policy import NO_POLICY, FailurePolicy
from outlast.tasks.task import NO_OPTIONS, Claimed, End, Lane, NewTask, Settlement, State
from outlast.text import MOST_NAME, MOST_REASON, MOST_TRACEBACK, clean, one_line

MOST_AT_ONCE = 64 << 20  # characters of arguments in one statement; SQLite takes 1e9 bytes
ROWS_AT_ONCE = 500  # while they are written as JSON, no other thread runs
A_MINUTE = 60_000 << TaskIds.LOW_BITS  # by how much ids rise in it
Row = tuple[Any, ...]
_IN_EVERY_ROW: dict[str, Any] = {"group_size": None, "timeout": None, "memory": None}


def new_rows(tasks: Iterable[NewTask], owner: int) -> Iterator[list[Row]]:
    """The rows of new tasks, as many at once as one statement can take. Raises ValueError for what it cannot store."""
    rows: list[Row] = []
    size = 0
    for task in tasks:
        if size > MOST_AT_ONCE or len(rows) == ROWS_AT_ONCE:
            yield rows
            rows, size = [], 0
        rows.append(_new_row(task, owner))
        size += len(task.arguments or "") + len(task.context or "")
    yield rows


def _new_row(task: NewTask, owner: int) -> Row:
    return (
        task.id,
        int(task.state),
        str(task.lane),
        owner if task.state is State.HELD else None,
        task.follows,
        task.created_at,
        one_line(task.function, MOST_NAME) if task.arguments is None else as_it_is(task.function),
        None if task.arguments is None else as_it_is(task.arguments),
        one_line(task.origin, MOST_NAME),
        task.options.most_together,
        task.code,
        task.options.timeout,
        task.options.memory,
        task.context and as_it_is(task.context),
    )


def asked_rows(tasks: Iterable[NewTask]) -> Iterator[Row]:
    """Of those of them of which more is asked than the limits that every row has."""
    for task in tasks:
        asked = task.options
        if asked is not NO_OPTIONS and replace(asked, **_IN_EVERY_ROW, limits=NO_LIMITS) != NO_OPTIONS:
            not_before = asked.not_before(task.created_at)
            expires_at = None if asked.expires is None else task.created_at + asked.expires
            yield task.id, asked.policy.text(), not_before, expires_at, asked.priority, A_MINUTE


def stashed_rows(tasks: Iterable[NewTask]) -> Iterator[Row]:
    """Of the files that are stashed for them."""
    return ((str(name), task.id) for task in tasks for name in task.stashed)


def adopted_row(one: Claimed, owner: int, now: float) -> Row:
    """Of an attempt whose task the journal does not know."""
    what = (one.id, str(one.lane), owner, one.attempt, one.crashes, one.cuts, one.timeout, one.memory)
    times = (TaskIds.made_at(one.id), now if one.begun else None)
    texts = (one.function, one.arguments, one.context, one.home.app, one.home.release, one.policy.text())
    kept = (*texts, one.checkpoint)
    return (*what, one.follows, *times, *(text and as_it_is(text) for text in kept), one.retried)


def reached_rows(reached: Iterable[Reached]) -> Iterator[Row]:
    """Of how far attempts have come."""
    for one in reached:
        said = (one.progress, one.checkpoint)
        if said != (None, None):
            yield one.task_id, one.attempt, *(text and as_it_is(text) for text in said)


def settle_row(one: Settlement, now: float) -> Row:
    """Of the end of an attempt."""
    ended_at = None if one.state is State.WAITING else now  # of one that is parked: since when
    crashed = one.end is End.CRASHED
    counts = (one.cuts, one.retried, now + one.delay if one.delay else 0)
    return (int(one.state), ended_at, crashed, sentence(one.reason), one.id, one.attempt, one.group_size, *counts)


def result_rows(ends: Iterable[Settlement]) -> Iterator[Row]:
    """Of those of them that have returned something."""
    return ((as_it_is(one.result), one.id) for one in ends if one.result is not None)


def event_row(now: float, event: tuple[int, str, int, str | None, str | None]) -> Row:
    """Of something that happened to a task: (task, kind, attempt, reason, traceback)."""
    task, kind, attempt, reason, traceback = event
    where = clean(traceback, MOST_TRACEBACK) if traceback else None
    return now, task, kind, attempt, sentence(reason), where


def claimed(row: Sequence[Any]) -> Claimed:
    """An attempt from its columns, text as bytes. Raises ValueError for what outlast does not write."""
    task_id, attempt, crashes, cuts, function, arguments, calling, timeout, memory, follows, begun, *more = row
    context, app, release, policy, retried, checkpoint, queue = more
    lane = Lane(calling.decode())
    text = "" if arguments is None else arguments.decode()
    known = (task_id, attempt, crashes, cuts, function.decode(), text, lane, timeout, memory, follows)
    home = Home(app.decode(), release.decode())
    asked = NO_POLICY if policy is None else FailurePolicy.read(policy.decode())
    reached = checkpoint and checkpoint.decode()
    rest = context and context.decode(), asked, retried, reached, queue.decode() if queue else ""
    return Claimed(*known, home, bool(begun), *rest)


def parked_groups(found: Iterable[Sequence[Any]]) -> list[Parked]:
    """Of the rows of `sql.PARKED`, as many as are not too large together; what cannot be read stays where it is."""
    groups: list[Parked] = []
    size = 0
    for *attempt, reason, count, _ in found:
        try:
            example = claimed(attempt)
        except ValueError:
            continue
        size += len(example.arguments)
        if size > CLAIM_BYTES:
            break
        groups.append(Parked(example, as_text(reason), count))
    return groups


def due_ones(rows: Iterable[Sequence[bytes]]) -> Iterator[tuple[Lane, Home]]:
    """What is due, from lane, app and release as bytes. What outlast does not write is left out: nobody runs it."""
    for lane, app, release in rows:
        with suppress(ValueError):
            yield Lane(lane.decode()), Home(app.decode(), release.decode())


def sentence(text: str | None) -> str | None:
    """Words for people; None instead of none."""
    return clean(text, MOST_REASON) if text else None


def as_it_is(text: str) -> str:
    """`text`, which SQLite gives back as it was. Raises ValueError if it does not."""
    if not text.isascii():
        text.encode()
    if "\0" in text:
        raise ValueError("text with a NUL in it comes back shortened")
    return text


def drawn_id(newest: int) -> int:
    """The id of a process that comes after `newest`: of the form of a task's, so that it is not drawn twice.

    What is drawn cannot come back after a rollback, as a count does. The lowest bits count on all the same, so that
    the processes that make ids of tasks differ in them (`TaskIds`).
    """
    milliseconds = max(0, int((time.time() - TaskIds.BEGINNING) * 1000))
    drawn = milliseconds << TaskIds.COUNT_BITS + 1 | secrets.randbits(TaskIds.COUNT_BITS + 1)
    return drawn * TaskIds.KNOWN + (newest + 1) % TaskIds.KNOWN


def room_after(taken: Sequence[Claimed], limit: int) -> int:
    """How many more may be claimed, if they are as large as those before."""
    size = sum(one.size for one in taken)
    return min(limit - len(taken), (CLAIM_BYTES - size) * len(taken) // max(1, size))
