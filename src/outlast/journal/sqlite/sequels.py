"""What runs after other tasks in a SQLite journal: held back, let go or given up in the transaction of their end."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Any

import apsw

from outlast.events import sequels as words
from outlast.ids import shown
from outlast.journal.sqlite import keys, rows
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.moves import free_followers, note, tell_end_of
from outlast.journal.sqlite.statements import AT_ONCE, TOLD_COLUMNS
from outlast.tasks.sequel import MOST_ARGUMENTS, Broken, Gets, Step, step, with_failure, with_results
from outlast.tasks.task import NewTask, Sequel, State, TaskOptions, sequels_of

_GIVEN = "IN (SELECT value FROM json_each(?1))"
_ANY = "SELECT EXISTS (SELECT 1 FROM sequel)"
_ADD = "INSERT INTO sequel (task, gets, parameters, delay, not_before, expires) VALUES (?, ?, ?, ?, ?, ?)"
_LINK = "INSERT INTO link (task, place, before) VALUES (?, ?, ?)"
_HOLD_BACK = (
    "UPDATE task SET run_at = NULL, not_before = NULL, expires_at = NULL, reason = ?2 WHERE id = ?1 AND state = 1"
)
_COUNTERPART = """
SELECT coalesce(
    (SELECT task.id FROM link JOIN sequel USING (task) JOIN task ON task.id = link.task
    WHERE link.before = ?1 AND task.function = ?2 AND sequel.gets = ?3 LIMIT 1),
    CASE WHEN ?3 = 'failure' OR NOT EXISTS (SELECT 1 FROM task WHERE id = ?1) THEN ?1 END)"""
# of what has ended otherwise than by itself all that runs after it is as if it was cancelled
_NOTE = f"""
UPDATE link SET state = iif(?2, 5, its.state), reason = its.reason, result = iif(its.state = 3, its.result, NULL)
FROM task AS its
WHERE its.id = link.before AND link.before {_GIVEN} AND link.state IS NULL AND its.state IN (3, 4, 5, 6)
RETURNING link.task"""  # noqa: S608
_NOTE_GONE = f"""
UPDATE link SET state = 6, reason = ?2 WHERE before {_GIVEN} AND state IS NULL
    AND NOT EXISTS (SELECT 1 FROM task WHERE id = before) RETURNING task"""  # noqa: S608
_WAITS = """
SELECT CAST(gets AS BLOB), CAST(parameters AS BLOB), delay, sequel.not_before, expires, CAST(task.arguments AS BLOB),
    EXISTS (SELECT 1 FROM link WHERE link.task = sequel.task AND link.state IS NULL)
FROM sequel JOIN task ON task.id = sequel.task
WHERE sequel.task = ? AND decided = 0 AND task.state = 1 AND run_at IS NULL"""
_BROKEN = """
SELECT before, state, CAST(coalesce(reason, '') AS BLOB) FROM link
WHERE task = ?1 AND (state IN (4, 6) OR (state = 5 AND ?2 != 'failure')
    OR (state = 3 AND ?2 IN ('result', 'results') AND result IS NULL AND reason IS NOT NULL)) ORDER BY place LIMIT 1"""
_NAMED = "SELECT CAST(function AS BLOB) FROM task WHERE id = ?"
_GIVEN_UP = (
    "SELECT CAST(reason AS BLOB) FROM task JOIN sequel ON task = id WHERE id = ? AND decided = 1 AND gets != 'failure'"
)
_SIZE = "SELECT coalesce(sum(octet_length(result)), 0) FROM link WHERE task = ?"
_RESULTS = "SELECT CAST(result AS BLOB) FROM link WHERE task = ? ORDER BY place"
_LET_GO = f"""
UPDATE task SET arguments = ?2, run_at = iif(?3 = 0, {AT_ONCE}, ?3), expires_at = ?4, released_at = ?5, reason = NULL
WHERE id = ?1 AND state = 1 AND run_at IS NULL"""  # noqa: S608
_GIVE_UP = f"""
UPDATE task SET state = ?2, ended_at = ?3, reason = ?4 WHERE id = ?1 AND state = 1
RETURNING {TOLD_COLUMNS}"""  # noqa: S608
_DECIDE = "UPDATE sequel SET decided = ?2 WHERE task = ?1"
_USED = "UPDATE link SET result = NULL WHERE task = ? AND result IS NOT NULL"
_FORGET = f"DELETE FROM sequel WHERE task {_GIVEN}"  # noqa: S608
_FORGET_LINKS = f"DELETE FROM link WHERE task {_GIVEN}"  # noqa: S608
_BEHIND_IT = f"SELECT task FROM link WHERE before {_GIVEN}"  # noqa: S608
_HAVE_BEGUN = f"SELECT count(*) FROM task WHERE id {_GIVEN} AND (attempt > 0 OR state != 1)"  # noqa: S608
_FORGET_TASKS = f"DELETE FROM task WHERE id {_GIVEN}"  # noqa: S608
# what has to run again so that these can, and what can then
_BEFORE = f"""
SELECT before FROM link JOIN sequel USING (task)
WHERE task {_GIVEN} AND decided = 1
    AND (link.state > 3 OR (gets != 'nothing' AND result IS NULL AND reason IS NOT NULL))"""  # noqa: S608
_BEHIND = f"""
SELECT task FROM link JOIN sequel USING (task) JOIN task AS its ON its.id = link.task
WHERE before {_GIVEN} AND (decided = 1 OR (decided = 2 AND gets = 'failure')) AND its.state IN (3, 4, 5, 6)"""  # noqa: S608
_THERE = f"SELECT task, gets = 'failure', decided = 2 FROM sequel WHERE task {_GIVEN}"  # noqa: S608
_WAIT_AGAIN = f"UPDATE sequel SET decided = 0 WHERE task {_GIVEN}"  # noqa: S608
_REOPEN = f"""
UPDATE link SET state = NULL, result = NULL, reason = NULL
WHERE task {_GIVEN} AND before IN (SELECT value FROM json_each(?2))"""  # noqa: S608
_LINKS = "SELECT before FROM link WHERE task = ? ORDER BY place"


def are_there(connection: apsw.Connection) -> bool:
    """Whether anything runs after something."""
    return bool(connection.execute(_ANY).fetchall()[0][0])


def sort_out(file: JournalFile, tasks: Sequence[NewTask], joined: MutableMapping[int, int]) -> list[Sequel]:
    """Those after these tasks that are to be stored; `joined` is told, for each of the others, what stands for it.

    What runs after a task that was not stored runs after the one that has its key, unless the same does already. Not so
    that of a response, which may yet fail, while the other goes on: there holds what the first one said.
    """
    new: dict[int, Sequel] = {}
    here: dict[tuple[str, str | None], int] = {}
    held = {one.id for one in tasks if one.state is State.HELD}
    for one in sequels_of(tasks):
        what = one.task.function, one.task.options.key
        first = _stands_for(file, one, joined, new)
        if first is None and held.issuperset(one.before) and joined.keys() >= set(one.before):
            held.add(one.task.id)
            first = joined[one.before[0]]
        first = first or here.get(what) or _holder(file, one.task)
        if first is None:
            new[one.task.id] = replace(one, before=tuple(joined.get(before, before) for before in one.before))
            if what[1] is not None:
                here[what] = one.task.id
        else:
            joined[one.task.id] = first
    return list(new.values())


def _stands_for(file: JournalFile, sequel: Sequel, joined: Mapping[int, int], new: Collection[int]) -> int | None:
    """What runs as it would after all that it was to run after, which was there; None if nothing does."""
    if not all(before in joined for before in sequel.before) or (first := joined[sequel.before[0]]) in new:
        return None
    return _counterpart(file, first, sequel)


def _holder(file: JournalFile, task: NewTask) -> int | None:
    key = task.options.key
    return None if key is None else keys.first_of(file, task, key)


def _counterpart(file: JournalFile, before: int, sequel: Sequel) -> int | None:
    """What runs after `before` as `sequel` would; that task itself where it is gone, or `sequel` is for its failure."""
    found: Any = file.opened.execute(_COUNTERPART, (before, sequel.task.function, sequel.gets)).fetchone()
    return found[0] and int(found[0])


def write_down(file: JournalFile, sequels: Sequence[Sequel]) -> None:
    """What new tasks run after. From now on they wait for it."""
    connection = file.opened
    for one in sequels:
        asked, gets = one.task.options, (str(one.gets), json.dumps(one.parameters))
        connection.execute(_ADD, (one.task.id, *gets, asked.delay, asked.run_at, asked.expires))
        connection.executemany(_LINK, ((one.task.id, place, before) for place, before in enumerate(one.before)))
        _hold_back(connection, one.task.id, one.before, Gets(one.gets))
    go_on(file, [before for one in sequels for before in one.before])


def _hold_back(connection: apsw.Connection, task: int, before: Sequence[int], gets: Gets) -> None:
    connection.execute(_HOLD_BACK, (task, words.waits_for(before, is_for_failure=gets is Gets.FAILURE)))


def go_on(file: JournalFile, ended: Collection[int], *, unasked: bool = False) -> None:
    """These have ended for good, or are gone: who followed them is free; what runs after them begins, or is given up.

    unasked: they have ended with their response. In a transaction.
    """
    free_followers(file.opened, list(ended))
    if not ended or not are_there(file.opened):
        return
    while ended:
        ids = json.dumps(list(ended))
        touched = dict.fromkeys(_found(file, _NOTE, ids, unasked) + _found(file, _NOTE_GONE, ids, words.DELETED))
        ended = [one for one in touched if _has_ended(file, one)]


def _has_ended(file: JournalFile, task: int) -> bool:
    """Decide what becomes of one; returns whether it has ended by that."""
    waits: Any = file.opened.execute(_WAITS, (task,)).fetchone()
    if waits is None:
        return False
    gets, is_open = Gets(waits[0].decode()), bool(waits[-1])
    broken = _broken(file, task, gets)
    match step(gets, broken, is_open=is_open):
        case Step.GO:
            return _let_go(file, task, gets, broken, waits)
        case Step.GIVE_UP if broken is not None:
            state = State.CANCELLED if broken.state is State.CANCELLED else State.DROPPED
            return _give_up(file, task, state, _why(file, broken))
        case Step.FORGET:
            return _is_over_unneeded(file, task)
    return False


def _broken(file: JournalFile, task: int, gets: Gets) -> Broken | None:
    found: Any = file.opened.execute(_BROKEN, (task, str(gets))).fetchone()
    return found and Broken(found[0], State(found[1]), found[2].decode(errors="replace"))


def _why(file: JournalFile, broken: Broken) -> str:
    """In one sentence; of a whole line that is given up, which of them has ended so."""
    first: Any = file.opened.execute(_GIVEN_UP, (broken.id,)).fetchone()
    if first is not None:
        return str(first[0].decode(errors="replace"))
    named: Any = file.opened.execute(_NAMED, (broken.id,)).fetchone()
    function = named[0].decode(errors="replace") if named else ""
    return words.given_up(broken.id, function, broken.state.label, broken.reason)


def _let_go(file: JournalFile, task: int, gets: Gets, broken: Broken | None, waits: Sequence[Any]) -> bool:
    _, parameters, delay, not_before, expires, given, _ = waits
    try:
        arguments = _arguments(file, task, gets, broken, json.loads(parameters), given.decode())
    except OverflowError:
        return _give_up(file, task, State.DROPPED, words.too_large(MOST_ARGUMENTS))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):  # nothing that outlast has written
        return _give_up(file, task, State.DROPPED, words.UNREADABLE)
    now = file.now
    begins = TaskOptions(delay=delay, run_at=not_before).not_before(now) or 0
    times = (begins, None if expires is None else now + expires, now)
    file.opened.execute(_LET_GO, (task, arguments, *times))
    file.opened.execute(_DECIDE, (task, 2))
    file.opened.execute(_USED, (task,))
    return False


def _arguments(
    file: JournalFile, task: int, gets: Gets, broken: Broken | None, parameters: Sequence[str], given: str
) -> str:
    """Raises OverflowError, or another one for what outlast does not write."""
    if gets is Gets.NOTHING or not parameters:
        return given
    if gets is Gets.FAILURE:
        its = broken or Broken(0, State.FAILED, "")
        return rows.as_it_is(with_failure(given, parameters, shown(its.id), its.reason))
    if _size(file, task) > MOST_ARGUMENTS:
        raise OverflowError
    results = [text and text.decode() for (text,) in file.opened.execute(_RESULTS, (task,))]
    return rows.as_it_is(with_results(given, parameters[0], results, as_list=gets is Gets.RESULTS))


def _give_up(file: JournalFile, task: int, state: State, why: str) -> bool:
    why = rows.sentence(why) or ""
    moved: list[Any] = file.opened.execute(_GIVE_UP, (task, int(state), file.now, why)).fetchall()
    for row in moved:
        tell_end_of(row, state, why)
        note(file.opened, [(task, state.label, row[2], why, None)], file.now)
    file.opened.execute(_DECIDE, (task, 1))
    return bool(moved)


def _is_over_unneeded(file: JournalFile, task: int) -> bool:
    """Nothing has failed: it is forgotten with all that runs after it. One that ran for a failure before is kept."""
    line = _with_all(file, _BEHIND_IT, [task])
    if _found(file, _HAVE_BEGUN, json.dumps(line)) != [0]:
        return _give_up(file, task, State.DROPPED, words.NOT_NEEDED)
    file.opened.execute(_FORGET_TASKS, (json.dumps(line),))
    forget(file.opened, line)
    keys.forget(file.opened, line)
    return False


def forget(connection: apsw.Connection, gone: Sequence[int]) -> None:
    """These run after nothing any more."""
    ids = json.dumps(gone)
    connection.execute(_FORGET, (ids,))
    connection.execute(_FORGET_LINKS, (ids,))


def to_run_again(file: JournalFile, tasks: Sequence[int]) -> list[int]:
    """These, what ended before them so that they could not run, and what was given up after any of them."""
    if not are_there(file.opened):
        return list(tasks)
    return _with_all(file, _BEHIND, _with_all(file, _BEFORE, tasks))


def _with_all(file: JournalFile, statement: str, tasks: Sequence[int]) -> list[int]:
    known, new = dict.fromkeys(tasks), list(tasks)
    while new:
        found = dict.fromkeys(_found(file, statement, json.dumps(new)))
        new = [one for one in found if one not in known]
        known |= dict.fromkeys(new)
    return list(known)


def wait_again(file: JournalFile, tasks: Sequence[int], asked: Collection[int]) -> set[int]:
    """These have been let run again, `asked` of them by name: who runs after others waits for those first.

    Returns those that have ended again, since one before them is gone.
    """
    there: list[Any] = file.opened.execute(_THERE, (json.dumps(tasks),)).fetchall()
    again = [one for one, for_failure, has_begun in there if not has_begun or (for_failure and one not in asked)]
    file.opened.execute(_WAIT_AGAIN, (json.dumps(again),))
    file.opened.execute(_REOPEN, (json.dumps(again), json.dumps(tasks)))
    failures = {one for one, for_failure, _ in there if for_failure}
    for one in again:
        gets = Gets.FAILURE if one in failures else Gets.RESULT
        _hold_back(file.opened, one, [before for (before,) in file.opened.execute(_LINKS, (one,))], gets)
    ended = {one for one in again if _has_ended(file, one)}
    go_on(file, ended)
    return ended


def _size(file: JournalFile, task: int) -> int:
    """Of all that it gets, in bytes."""
    (size,) = _found(file, _SIZE, task)
    return size


def _found(file: JournalFile, statement: str, *bindings: Any) -> list[int]:
    found: list[Any] = file.opened.execute(statement, bindings).fetchall()
    return [one for (one,) in found]
