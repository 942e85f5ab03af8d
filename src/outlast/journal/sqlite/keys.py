"""Tasks with a key in a SQLite journal: of each function and key there is one that is unfinished. In a transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any

import apsw

from outlast.errors import IdTaken
from outlast.journal.sqlite import rows
from outlast.journal.sqlite import statements as sql
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.moves import tell_end_of, unknown
from outlast.tasks.task import NewTask, State

Joined = Mapping[int | None, tuple[int, int | None]]
"""Of tasks that were not stored: which one each has joined, and which it would have followed."""


def are_in(tasks: Sequence[NewTask]) -> bool:
    """Whether one of these has a key, or follows a task of before, which may have joined another one."""
    followed = {task.follows for task in tasks if task.follows is not None}
    has_keys = any(task.options.key is not None for task in tasks)
    return has_keys or not followed.issubset([task.id for task in tasks] if followed else ())


def sort_out(file: JournalFile, tasks: Sequence[NewTask], owner: int) -> tuple[list[NewTask], dict[int, int]]:
    """Those that are to be stored, in their lines, and for each of the others the id of the task that has its key.

    One that was cancelled and has not stopped yet is joined by nobody: who asks for it gets another, which follows it.
    """
    new: list[NewTask] = []
    stopping: dict[int, int] = {}
    joined: dict[int, int] = {}
    here: dict[tuple[str, str | None], int] = {}
    for task in tasks:
        what = task.function, task.options.key
        first = None if what[1] is None else here.get(what) or first_of(file, task, what[1])
        if first is not None and _found(file.opened, sql.IS_STOPPING, first, file.now):
            stopping[task.id], first = first, None
            _take(file, task)
        if first is None:
            new.append(task)
            here[what] = task.id
        else:
            joined[task.id] = first
            file.opened.execute(sql.JOIN, (task.id, first, owner, task.follows))
    if joined and (taken := joined.keys() - unknown(file.opened, joined)):
        raise IdTaken(frozenset(taken))
    in_line = (_behind(file.opened, task, stopping.get(task.id)) for task in _in_line(file.opened, new))
    return list(in_line), joined


def first_of(file: JournalFile, task: NewTask, key: str) -> int | None:
    """Who has the key of a new task; None if that has it from now on."""
    what = rows.as_it_is(task.function), rows.as_it_is(key)
    for (first,) in _found(file.opened, sql.HOLDER, *what, file.now):
        if first != task.id:
            return int(first)
    _take(file, task)
    return None


def _take(file: JournalFile, task: NewTask) -> None:
    until = file.now + task.options.key_for if task.options.key_for else 0.0
    file.opened.execute(sql.TAKE_KEY, (task.id, task.function, task.options.key, until))


def _behind(connection: apsw.Connection, task: NewTask, first: int | None) -> NewTask:
    """The same task, but behind `first` and then behind what it follows."""
    if first is None:
        return task
    if task.follows is not None:
        connection.executemany(sql.PUT_BEHIND, ((task.id, one) for one in (first, task.follows)))
    return task._replace(follows=first)


def write_down(connection: apsw.Connection, tasks: Sequence[NewTask]) -> None:
    """In the rows of new tasks: their keys, and that what waits for several others is not taken along with one."""
    keyed = ((task.id, task.options.key) for task in tasks if task.options.key is not None)
    connection.executemany(sql.NOTE_KEY, keyed)
    connection.execute(sql.NOT_TAKEN_ALONG, (json.dumps([task.id for task in tasks]),))


def _in_line(connection: apsw.Connection, tasks: Sequence[NewTask]) -> list[NewTask]:
    """The same new tasks, where one that followed another that was not stored follows the one that this has joined.

    It waits for what that would have waited for, too, in the line of their response.
    """
    joined = _joined_before(connection, tasks)
    here = {task.id for task in tasks}
    return [_behind_others(connection, task, joined, here) if task.follows in joined else task for task in tasks]


def _joined_before(connection: apsw.Connection, tasks: Iterable[NewTask]) -> Joined:
    joined: dict[int | None, tuple[int, int | None]] = {}
    wanted = {task.follows for task in tasks if task.follows is not None}
    while wanted:
        found = _found(connection, sql.JOINED, json.dumps(list(wanted)))
        joined |= {one: (first, follows) for one, first, follows in found}
        wanted = {follows for _, _, follows in found if follows is not None}
    return joined


def _behind_others(connection: apsw.Connection, task: NewTask, joined: Joined, here: set[int]) -> NewTask:
    waits_for: list[int] = []
    before = task.follows
    while before in joined:
        first, before = joined[before]
        waits_for.append(first)
    if before is not None:
        waits_for.append(before)
    unfinished = here.union(one for (one,) in _found(connection, sql.UNFINISHED_OF, json.dumps(waits_for)))
    left = [one for one in waits_for if one in unfinished]
    connection.executemany(sql.PUT_BEHIND, ((task.id, one) for one in left))
    return task._replace(follows=left[0] if left else None)


def release(file: JournalFile, ids: str) -> int:
    """The responses of these (JSON) are over: what they have joined may run; returns how many were held for it."""
    return let_run(file, [one for (one,) in _found(file.opened, sql.LEAVE_JOINED, ids)])


def release_of(file: JournalFile, owner: int) -> None:
    """The same for all that a process has joined, which is dead."""
    let_run(file, [one for (one,) in _found(file.opened, sql.LEAVE_ALL_JOINED, owner)])


def let_run(file: JournalFile, tasks: Sequence[int]) -> int:
    """Somebody has joined these who waits for no response, or for none any more; returns how many were held."""
    if not tasks:
        return 0
    file.opened.execute(sql.RELEASE, (file.now, json.dumps(tasks)))
    return file.opened.changes()


def give_up(connection: apsw.Connection, reasons: Mapping[int, str]) -> dict[int, str]:
    """The responses of these failed: what is to be dropped of them and of what they have joined, for which reasons.

    One that others have joined waits for their responses, without an owner; the last that fails takes it along.
    """
    ids = json.dumps(list(reasons))
    joined = dict(_found(connection, sql.GIVE_UP_JOINED, ids))
    kept = {one for (one,) in _found(connection, sql.DISOWN, ids)}
    dropped = {one: why for one, why in reasons.items() if one not in joined and one not in kept}
    nobodys = {one for (one,) in _found(connection, sql.NOBODYS, json.dumps(list(joined.values())))}
    return dropped | {first: reasons[one] for one, first in joined.items() if first in nobodys}


def tell_dropped(connection: apsw.Connection, dropped: Mapping[int, str]) -> None:
    """Only here it is known, and so said, that tasks with a key have ended with their responses."""
    for row in _found(connection, sql.KEYED_OF, json.dumps(list(dropped))):
        tell_end_of(row, State.DROPPED, dropped[row[0]])


def without_taken(connection: apsw.Connection, ids: Sequence[int]) -> list[int]:
    """Those that may run again: whose key no other task has that is unfinished. Those have theirs from now on."""
    taken: set[tuple[str, str]] = set()
    refused: set[int] = set()
    for one, function, key in _found(connection, sql.KEYS_OF, json.dumps(ids)):
        others = [other for (other,) in _found(connection, sql.UNFINISHED_HOLDER, function, key) if other != one]
        if others or (function, key) in taken:
            refused.add(one)
            continue
        taken.add((function, key))
        connection.execute(sql.TAKE_KEY_AGAIN, (one, function, key))
    return [one for one in ids if one not in refused]


def are_there(connection: apsw.Connection) -> bool:
    """Whether there is anything to be forgotten with tasks."""
    return bool(_found(connection, sql.HAS_KEYS)[0][0])


def forget(connection: apsw.Connection, gone: Sequence[int], now: float = inf) -> None:
    """These tasks are forgotten; keys that they have beyond `now` are kept."""
    ids = json.dumps(gone)
    connection.execute(sql.FORGET_KEYS, (ids, now))
    connection.execute(sql.FORGET_JOINED, (ids,))
    connection.execute(sql.FORGET_BEHIND, (ids,))


def end(connection: apsw.Connection, now: float, most: int) -> None:
    """The time of these keys is over: now they are their tasks' as long as those are unfinished, or nobody's."""
    ended = [task for (task,) in _found(connection, sql.END_KEYS, now, most)]
    connection.execute(sql.FORGET_LEFT_KEYS, (json.dumps(ended),))


def _found(connection: apsw.Connection, statement: str, *bindings: Any) -> list[Any]:
    return connection.execute(statement, bindings).fetchall()
