"""A new task in a SQLite journal that asks for what one that has ended has asked for. In a transaction."""

from __future__ import annotations

from typing import Any

import apsw

from outlast.errors import IdTaken, NotRepeatable
from outlast.events import journal as words
from outlast.events import waits
from outlast.ids import shown
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.moves import note
from outlast.journal.sqlite.rows import A_MINUTE
from outlast.journal.sqlite.statements import AT_ONCE, HAS_BLOCKED
from outlast.tasks.task import FINISHED, UNFINISHED, State

_UNFINISHED = ", ".join(str(int(one)) for one in sorted(UNFINISHED))
_ASKED = f"""
SELECT state, arguments IS NOT NULL AND calling != 'inline',
    EXISTS (SELECT 1 FROM sequel WHERE sequel.task = asked.id AND decided != 2 AND gets != 'nothing'),
    (SELECT holder.id FROM key JOIN task AS holder ON holder.id = key.task
     WHERE key.function = asked.function AND key.key = asked.key AND holder.state IN ({_UNFINISHED}))
FROM task AS asked WHERE id = ?"""  # noqa: S608
_COPY = f"""
INSERT INTO task (id, state, lane, calling, group_size, timeout, memory, created_at, function, arguments, origin,
    context, app, release, policy, key, gate, ahead, place, run_at)
SELECT ?2, 1, iif({HAS_BLOCKED}, 'alone', lane), calling, iif({HAS_BLOCKED}, 1, group_size), timeout, memory, ?3,
    function, arguments, ?4, context, app, release, policy, key, gate,
    ahead, ?2 - coalesce(ahead, 0) * {A_MINUTE}, {AT_ONCE}
FROM task WHERE id = ?1"""  # noqa: S608
_TAKE_KEY = """
INSERT INTO key (task, function, key, until) SELECT ?2, function, key, 0 FROM task WHERE id = ?1 AND key IS NOT NULL
ON CONFLICT (function, key) DO UPDATE SET task = excluded.task"""
_NEED_FILES = "INSERT INTO stash (name, task) SELECT name, ?2 FROM stash WHERE task = ?1"


def repeat(file: JournalFile, ended: int, new: int) -> None:
    """See `contract.Tasks.repeat`."""
    refuse_unless_repeatable(file.opened, ended)
    try:
        file.opened.execute(_COPY, (ended, new, file.now, waits.repeats(shown(ended))))
    except apsw.ConstraintError as error:
        raise IdTaken(frozenset({new})) from error
    for statement in (_TAKE_KEY, _NEED_FILES):
        file.opened.execute(statement, (ended, new))
    note(file.opened, [(ended, "repeated", 0, waits.repeated_as(shown(new)), None)], file.now)


def refuse_unless_repeatable(connection: apsw.Connection, task: int) -> None:
    """Raises NotRepeatable."""
    found: Any = connection.execute(_ASKED, (task,)).fetchone()
    if found is None:
        raise NotRepeatable(words.NOT_THERE_ANY_MORE)
    state, can_travel, lacks_arguments, holder = found
    if state not in FINISHED:
        raise NotRepeatable(waits.not_ended(State(state).label))
    if not can_travel:
        raise NotRepeatable(waits.NO_ARGUMENTS)
    if lacks_arguments:
        raise NotRepeatable(waits.LACKS_RESULTS)
    if holder is not None:
        raise NotRepeatable(waits.key_is_taken(shown(holder)))
