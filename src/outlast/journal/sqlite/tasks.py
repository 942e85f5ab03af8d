"""Tasks in a SQLite journal: stored, released, dropped, and what people ask of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import apsw

from outlast.errors import IdTaken
from outlast.journal.contract import ANY_NUMBER, Drop, Parked, Tasks
from outlast.journal.sqlite import by_hand, gates, keys, repeats, rows, sequels
from outlast.journal.sqlite import statements as sql
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.moves import moved, note, unknown
from outlast.system.deployment import NO_HOME, Home
from outlast.tasks.limits import NO_LIMITS
from outlast.tasks.task import NO_OPTIONS, NewTask, State

MOST_GROUPS = 200  # of tasks that are parked for one reason; more show themselves when these have gone


class SqliteTasks(Tasks):
    """The verbs of `contract.Tasks`."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def add(
        self, tasks: Iterable[NewTask], owner: int, home: Home = NO_HOME, max_waiting: Mapping[str, int] = ANY_NUMBER
    ) -> dict[int, int]:
        """Store tasks, and what runs after them. One that follows a task that has ended already follows nobody."""
        tasks = list(tasks)
        joined = self._add(tasks, owner, home, max_waiting)
        if any(task.sequels for task in tasks):
            behind = sequels.sort_out(self._file, tasks, joined)
            self._insert([one.task for one in behind], owner, home, max_waiting)
            keys.write_down(self._file.opened, [one.task for one in behind])
            sequels.write_down(self._file, behind)
        return joined

    def _add(self, tasks: Sequence[NewTask], owner: int, home: Home, max_waiting: Mapping[str, int]) -> dict[int, int]:
        if not keys.are_in(tasks):
            self._insert(tasks, owner, home, max_waiting)
            return {}
        new, joined = keys.sort_out(self._file, tasks, owner)
        self._insert(new, owner, home, max_waiting)
        keys.write_down(self._file.opened, new)
        keys.let_run(self._file, [joined[one.id] for one in tasks if one.id in joined and one.state is State.WAITING])
        return joined

    def _insert(self, tasks: Sequence[NewTask], owner: int, home: Home, max_waiting: Mapping[str, int]) -> None:
        limited = [task for task in tasks if task.options is not NO_OPTIONS and task.options.limits != NO_LIMITS]
        gates.refuse_if_full(self._file.opened, limited, max_waiting)
        try:
            for some in rows.new_rows(tasks, owner):
                self._file.opened.execute(sql.ADD, (json.dumps(some), home.app, home.release))
            self._file.opened.executemany(sql.ASK, rows.asked_rows(tasks))
            self._file.opened.executemany(sql.STASH, rows.stashed_rows(tasks))
        except apsw.ConstraintError as error:
            raise _why_refused(self._file.opened, tasks, error) from error
        gates.put_behind(self._file.opened, limited)
        if behind := [task.id for task in tasks if task.follows is not None]:
            self._file.opened.execute(sql.FREE_LATE_FOLLOWERS, (json.dumps(behind),))

    def release(self, ids: Iterable[int]) -> int:
        """Move held tasks to `waiting`, behind the task they follow if that has not ended; returns how many."""
        wanted = list(ids)
        as_json = json.dumps(wanted)
        self._file.opened.execute(sql.RELEASE, (self._file.now, as_json))
        count = self._file.opened.changes()
        return count if count == len(wanted) else count + keys.release(self._file, as_json)

    def drop(self, drops: Iterable[Drop]) -> list[int]:
        now, reasons = self._file.now, keys.give_up(self._file.opened, {drop.id: drop.reason for drop in drops})
        wanted = ((now, rows.sentence(reason), task_id) for task_id, reason in reasons.items())
        dropped = moved(self._file.opened, sql.DROP, wanted)
        note(self._file.opened, ((task_id, "dropped", 0, reasons[task_id], None) for task_id in dropped), now)
        keys.tell_dropped(self._file.opened, {one: reasons[one] for one in dropped})
        sequels.go_on(self._file, dropped, unasked=True)
        return dropped

    def cancel(self, ids: Iterable[int]) -> dict[int, bool]:
        return by_hand.cancel(self._file, ids)

    def retry(self, ids: Iterable[int]) -> dict[int, bool]:
        """What was given up after one of them waits for it again, and one that was given up for what is before it."""
        asked = list(ids)
        allowed = keys.without_taken(self._file.opened, sequels.to_run_again(self._file, asked))
        waiting = by_hand.retry(self._file.opened, allowed, self._file.now)
        ended = sequels.wait_again(self._file, [one for one, waits in waiting.items() if waits], asked)
        refused = dict.fromkeys(set(asked).difference(allowed), False)
        return refused | {one: waiting[one] and one not in ended for one in asked if one in waiting}

    def repeat(self, ended: int, new: int) -> None:
        repeats.repeat(self._file, ended, new)

    def delete(self, ids: Iterable[int]) -> dict[int, bool]:
        deleted = by_hand.delete(self._file, ids)
        keys.forget(self._file.opened, [one for one, is_gone in deleted.items() if is_gone])
        return deleted

    def parked(self) -> Sequence[Parked]:
        return rows.parked_groups(self._file.read(sql.PARKED, (MOST_GROUPS,)))

    def unknown(self, tasks: Iterable[int]) -> set[int]:
        return unknown(self._file.opened, tasks)

    def unfinished(self) -> int:
        return int(self._file.read(sql.COUNT_UNFINISHED, ())[0][0])

    def newest(self) -> int:
        return int(self._file.read(sql.NEWEST, ())[0][0])

    def surplus(self, count: int) -> int:
        """The newest done task beyond the newest `count` of them; 0 if there are no more than those.

        Walks over as many entries of an index: to be asked now and then, outside of a transaction.
        """
        found = self._file.read(sql.SURPLUS, (count,))
        return int(found[0][0]) if found else 0


def _why_refused(connection: apsw.Connection, tasks: Sequence[NewTask], error: apsw.Error) -> Exception:
    ids = Counter(task.id for task in tasks)
    taken = ids.keys() - unknown(connection, ids) | {one for one, times in ids.items() if times > 1}
    return IdTaken(frozenset(taken)) if taken else error
