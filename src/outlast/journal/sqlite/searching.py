"""A search through tasks: by an index to those that may be meant, and through so many of them at a time."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from outlast.errors import TaskNotFound
from outlast.ids import LARGEST_ID, number_of
from outlast.journal.sqlite.reading import STATE, WITH_GATES, WITH_KEYS, Reading
from outlast.journal.survey import MOST_COUNTED, Cursor, Found, Search
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import State

LOOKED_AT = 5_000  # tasks that one search looks through
_LIVE = frozenset({State.HELD, State.WAITING, State.RUNNING})
_LATEST = 1e300  # later than any end
_BETWEEN = "id >= :first AND id < :last"
_BY_KEY = "SELECT id, 0.0 AS at FROM task WHERE key = :key AND id < :id AND {between} ORDER BY id DESC"
_BY_ID = "SELECT id, 0.0 AS at FROM task WHERE id < :id AND {between} ORDER BY id DESC"
_BY_NUMBER = "SELECT id, 0.0 AS at FROM task WHERE id = :task AND id < :id AND {between}"
_BY_STATE = """
SELECT id, 0.0 AS at FROM task INDEXED BY live
WHERE state <= 2 AND state IN ({states}) AND id < :id AND {between} ORDER BY id DESC"""
_AMONG = "SELECT id FROM task WHERE {side} AND state IN ({states})"
_BY_END = """
SELECT * FROM (SELECT id, ended_at AS at FROM task
    WHERE state > 2 AND state = {state} AND (ended_at, id) < (:at, :id) AND {between}
    ORDER BY ended_at DESC, id DESC LIMIT :looked_at)"""
_TEXTS = ("function", "coalesce(reason, '')", "origin")
_IN_QUEUE = "gate IN (SELECT id FROM gate WHERE queue = :queue)"
_KEY = "coalesce(key, '')"


@dataclass(frozen=True, slots=True)
class Candidates:
    """Tasks of which some are meant, in their order. statement: gives id and `at` of at most :looked_at.

    named: the one that the text is the id of.
    """

    statement: str
    are_ordered_by_end: bool = False
    named: int | None = None


def found(file: Reading, search: Search, after: Cursor | None, limit: int) -> Found:
    """See `Survey.search`."""
    if (search.key and file.version < WITH_KEYS) or (search.queue and file.version < WITH_GATES):
        return Found((), None)
    candidates = _candidates(file, search)
    values = _values(search, after, limit) | {"task": candidates.named}
    rows = file.rows(_statement(candidates, search, file.version), values)
    if len(rows) > limit:
        return Found(tuple(number for number, _ in rows[:limit]), _cursor(rows[limit - 1]))
    last = file.rows(f"{candidates.statement} LIMIT 1 OFFSET :looked_at - 1", values)
    return Found(tuple(number for number, _ in rows), _cursor(last[0]) if last else None)


def among(file: Reading, states: Collection[State]) -> str:
    """A condition by which an index finds the tasks of these states, if they are few; more are come upon by ids."""
    stored = {*states, *((State.RUNNING,) if State.WAITING in states else ())}
    sides = (("state <= 2", stored & _LIVE), ("state > 2", stored - _LIVE))
    parts = [_AMONG.format(side=side, states=_listed(of_it)) for side, of_it in sides if of_it]
    if not parts or file.rows(f"{' UNION ALL '.join(parts)} LIMIT 1 OFFSET {MOST_COUNTED}"):
        return "TRUE"
    return f"id IN ({' UNION ALL '.join(parts)})"


def _listed(states: Collection[State]) -> str:
    return ", ".join(str(int(one)) for one in states)


def _candidates(file: Reading, search: Search) -> Candidates:
    states = set(search.states)
    if (named := _named(file, search.text)) is not None:
        return Candidates(_BY_NUMBER.format(between=_BETWEEN), named=named)
    if search.key:
        return Candidates(_BY_KEY.format(between=_BETWEEN))
    if states and not states & _LIVE:
        parts = " UNION ALL ".join(_BY_END.format(state=int(one), between=_BETWEEN) for one in sorted(states))
        order = " ORDER BY at DESC, id DESC" if len(states) > 1 else ""
        return Candidates(f"SELECT id, at FROM ({parts}){order}", are_ordered_by_end=True)  # noqa: S608
    if states and states <= _LIVE and _are_few(file):
        stored = states | ({State.RUNNING} if State.WAITING in states else set())
        return Candidates(_BY_STATE.format(states=_listed(stored), between=_BETWEEN))
    return Candidates(_BY_ID.format(between=_BETWEEN))


def _are_few(file: Reading) -> bool:
    """Whether all that has not ended may be looked at; else it is dense enough to be come upon by its ids."""
    few = f"SELECT 1 FROM task INDEXED BY live WHERE state <= 2 LIMIT 1 OFFSET {MOST_COUNTED}"  # noqa: S608
    return not file.rows(few)


def _statement(candidates: Candidates, search: Search, version: int) -> str:
    """Those of the candidates that are meant."""
    text = _has_text(version) if search.text and candidates.named is None else "TRUE"
    key, queue = "key = :key" if search.key else "TRUE", _IN_QUEUE if search.queue else "TRUE"
    return f"""
SELECT id, at FROM ({candidates.statement} LIMIT :looked_at) JOIN task USING (id)
WHERE (:any_state OR {STATE} IN (SELECT value FROM json_each(:states))) AND instr(function, :name) AND {text}
    AND {queue} AND {key}
LIMIT :most"""  # noqa: S608


def _values(search: Search, after: Cursor | None, limit: int) -> dict[str, Any]:
    until = TaskIds.first_at(search.until) if search.until else LARGEST_ID
    return {
        "first": TaskIds.first_at(search.since),
        "last": min(until, LARGEST_ID),
        "at": after.at if after else _LATEST,
        "id": after.id if after else LARGEST_ID,
        "any_state": not search.states,
        "states": json.dumps([int(one) for one in search.states]),
        "name": search.name,
        "text": search.text,
        "key": search.key,
        "queue": search.queue,
        "looked_at": LOOKED_AT,
        "most": limit + 1,
    }


def _has_text(version: int) -> str:
    searched = (*_TEXTS, _KEY) if version >= WITH_KEYS else _TEXTS
    return f"({' OR '.join(f'instr(lower({one}), lower(:text))' for one in searched)})"


def _named(file: Reading, text: str) -> int | None:
    """The number of the task whose whole id a text is; None for any other, such as a number of as many digits."""
    try:
        number = number_of(text)
    except TaskNotFound:
        return None
    return number if file.rows("SELECT 1 FROM task WHERE id = ?", (number,)) else None


def _cursor(row: Sequence[Any]) -> Cursor:
    return Cursor(float(row[1]), int(row[0]))
