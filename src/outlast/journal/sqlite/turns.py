"""A runner's turn in a SQLite journal, inside one transaction."""

from __future__ import annotations

from typing import Any

from outlast.events import waits
from outlast.journal.contract import Drop
from outlast.journal.sqlite import claims, gates, keys, later, logs, rows
from outlast.journal.sqlite import statements as sql
from outlast.journal.sqlite.admission import Admission
from outlast.journal.sqlite.attempts import SqliteAttempts
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.moves import note
from outlast.journal.sqlite.processes import SqliteProcesses
from outlast.journal.sqlite.pruning import Pruner
from outlast.journal.sqlite.tasks import SqliteTasks
from outlast.journal.sqlite.ticks import Ticks
from outlast.journal.sqlite.unreadable import set_aside
from outlast.journal.turn import Answers, Burial, Buried, Introduction, Known, Learned, Turn
from outlast.tasks.task import End, Lane, Settlement, State
from outlast.text import LONGEST_PATH, MOST_NAME, one_line


class Turns:
    """Of the runner that has the journal's `file` open."""

    def __init__(self, file: JournalFile, processes: SqliteProcesses) -> None:
        self._file = file
        self._tasks, self._attempts, self._processes = SqliteTasks(file), SqliteAttempts(file), processes
        self._admission = Admission(file)
        self._ticks = Ticks(file, self._tasks)
        self._pruner = Pruner(file)

    def take(self, turn: Turn) -> Answers:
        """In a transaction."""
        adopted = self._introduce(turn.runner, turn.introduction) if turn.introduction else 0
        began = ((one.at, one.task_id, one.attempt) for one in turn.began)
        self._file.opened.executemany(sql.BEGAN, began)
        self._file.opened.executemany(sql.REACHED, rows.reached_rows(turn.reached))
        logs.keep(self._file.opened, turn.reached)
        settled = self._attempts.settle(turn.ended)
        buried = [self._bury(one) for one in turn.burials]
        self._write(turn)
        next_in = later.ripen(self._file)
        through = self._admission.open(turn)
        taken = [claims.take(self._file, turn.runner, one) for one in turn.wanted]
        apart = [claims.take_apart(self._file, turn.runner, one) for one in turn.apart]
        next_in = later.sooner(next_in, self._admission.close(through))
        forgotten = self._pruner.prune(turn.keep) if turn.keep else 0
        return Answers(adopted, settled, buried, taken, apart, forgotten, next_in)

    def _introduce(self, runner: int, given: Introduction) -> int:
        for process, entry in given.processes:
            self._processes.enter(entry, process)
        return claims.adopt(self._file, given.attempts, runner)

    def _write(self, turn: Turn) -> None:
        for gone in turn.gone:
            self._leave(gone.process_id, gone.how)
        for learned in turn.learned:
            self._learn(learned)
        for known in turn.known:
            self._unpark(known)
        if turn.queues is not None:
            gates.limit(self._file.opened, turn.queues)
        if turn.keep and turn.runner:  # by hand it is for this once
            self._file.opened.execute(sql.KEEP, (turn.keep.done, turn.keep.count, turn.keep.failed))
        self._processes.note(turn.happened)
        for change in turn.schedules:
            self._ticks.take(change, turn.runner)

    def _bury(self, dead: Burial) -> Buried:
        held = self._held_of(dead.process_id)
        self._tasks.release([task for task, lane, _ in held if lane is not Lane.INLINE])
        keys.release_of(self._file, dead.process_id)
        inline = {task: function for task, lane, function in held if lane is Lane.INLINE}
        dropped = self._tasks.drop([Drop(task, dead.never_ran) for task in inline])
        cut = claims.running_of(self._file, dead.process_id)
        self._attempts.settle(Settlement(one.id, one.attempt, End.INTERRUPTED, State.FAILED, dead.cut) for one in cut)
        self._leave(dead.process_id, "gone")
        return Buried([(task, inline[task]) for task in dropped], cut)

    def _held_of(self, owner: int) -> list[tuple[int, Lane, str]]:
        """The tasks that a web worker had stored and neither released nor dropped, each with its function."""
        held = []
        found: list[Any] = self._file.opened.execute(sql.HELD_OF, (owner,)).fetchall()
        for task_id, lane, function in found:
            try:
                held.append((task_id, Lane(lane.decode()), function.decode()))
            except ValueError as error:
                set_aside(self._file, task_id, error)
        return held

    def _learn(self, learned: Learned) -> None:
        """From now on a function runs in lane `alone`, what waits of it too."""
        path, code = one_line(learned.function, LONGEST_PATH), one_line(learned.code, MOST_NAME)
        is_new = self._file.opened.execute(sql.IS_LEARNED, (path, code)).fetchone() is None
        self._file.opened.execute(sql.LEARN, (path, code, learned.seconds, self._file.now))
        if is_new:  # a look at all that waits: what was added since is apart already
            self._file.opened.execute(sql.SET_APART, (path,))

    def _unpark(self, known: Known) -> None:
        """Let a group wait again."""
        group = known.group
        old, new = group.example.home, group.home or group.example.home
        values = (old.app, old.release, group.example.function, group.reason, known.before, new.app, new.release)
        moved: list[Any] = self._file.opened.execute(sql.UNPARK, values).fetchall()
        happened = ((one, "unparked", attempt, waits.KNOWN_AGAIN, None) for one, attempt in moved)
        note(self._file.opened, happened, self._file.now)

    def _leave(self, process_id: int, how: str) -> None:
        self._file.opened.execute(sql.LEAVE, (self._file.now, rows.sentence(how), process_id))
