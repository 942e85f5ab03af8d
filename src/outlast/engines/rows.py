"""Tasks and attempts as rows of a SQLite journal, and back.

Words for people are made clean once more here, so that whoever forgets it costs a strange letter and no more. What
decides how a task runs is stored as it is, or refused with a ValueError.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from outlast.deployments import Home
from outlast.engines.contract import CLAIM_BYTES
from outlast.tasks import Claimed, End, Lane, NewTask, Settlement, State, TaskIds
from outlast.text import MOST_NAME, MOST_REASON, MOST_TRACEBACK, clean, one_line

MOST_AT_ONCE = 64 << 20  # characters of arguments in one statement; SQLite takes 1e9 bytes
ROWS_AT_ONCE = 500  # while they are written as JSON, no other thread runs
Row = tuple[Any, ...]


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
        task.terms.company,
        task.code,
        task.terms.timeout,
        task.terms.memory,
        task.context and as_it_is(task.context),
    )


def adopted_row(one: Claimed, owner: int, now: float) -> Row:
    """Of an attempt whose task the journal does not know."""
    what = (one.id, str(one.lane), owner, one.attempt, one.crashes, one.cuts, one.timeout, one.memory)
    times = (TaskIds.made_at(one.id), now if one.begun else None)
    texts = (one.function, one.arguments, one.context, one.home.app, one.home.release)
    return (*what, one.follows, *times, *(text and as_it_is(text) for text in texts))


def settle_row(one: Settlement, now: float) -> Row:
    """Of the end of an attempt."""
    ended_at = None if one.state is State.WAITING else now  # of one that is parked: since when
    crashed = one.end is End.CRASHED
    return (int(one.state), ended_at, crashed, sentence(one.reason), one.id, one.attempt, one.company, one.cuts)


def event_row(now: float, event: tuple[int, str, int, str | None, str | None]) -> Row:
    """Of something that happened to a task: (task, kind, attempt, reason, traceback)."""
    task, kind, attempt, reason, traceback = event
    where = clean(traceback, MOST_TRACEBACK) if traceback else None
    return now, task, kind, attempt, sentence(reason), where


def claimed(row: Sequence[Any]) -> Claimed:
    """An attempt from its columns, text as bytes. Raises ValueError for what outlast does not write."""
    task_id, attempt, crashes, cuts, function, arguments, calling, timeout, memory, follows, begun, *more = row
    context, app, release = more
    lane = Lane(calling.decode())
    text = "" if arguments is None else arguments.decode()
    known = (task_id, attempt, crashes, cuts, function.decode(), text, lane, timeout, memory, follows)
    home = Home(app.decode(), release.decode())
    return Claimed(*known, home, begun=bool(begun), context=context and context.decode())


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
