"""What a runner's turn does about the schedules of a SQLite journal. In its transaction."""

from __future__ import annotations

import json
from typing import Any

from outlast.events import schedules
from outlast.ids import shown
from outlast.journal.schedules import Adopted, Halted, ScheduleChange, Tick
from outlast.journal.sqlite import rows
from outlast.journal.sqlite import schedule_statements as sql
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.incidents import as_text
from outlast.journal.sqlite.schedules import forget_ticks_of, written
from outlast.journal.sqlite.tasks import SqliteTasks

KEPT = 1000  # of the newest ticks of a schedule
RETIRED_FOR = 30 * 86_400.0  # seconds that one is kept which the code does not have any more


class Ticks:
    """Ticks make tasks, each of them one."""

    def __init__(self, file: JournalFile, tasks: SqliteTasks) -> None:
        self._file = file
        self._tasks = tasks

    def take(self, change: ScheduleChange, runner: int) -> None:
        """Do it, if it is still so."""
        match change:
            case Tick():
                self._tick(change, runner)
            case Halted(schedule, revision, reason):
                self._file.opened.execute(sql.HALT, (self._file.now, rows.sentence(reason), schedule, revision))
            case Adopted():
                self._adopt(change)

    def _tick(self, tick: Tick, runner: int) -> None:
        as_read = (tick.schedule, tick.revision, tick.before, tick.next_at, tick.asked_at, self._file.now)
        if not self._file.opened.execute(sql.GO_ON, as_read).fetchone():
            return
        parked = self._parked(tick)
        new = [(at, task) for at, task in tick.runs if self._is_new(tick.schedule, at, task.id)]
        joined = {task.id: parked for at, task in new if parked and at != tick.asked_at}
        if wanted := [task for _, task in new if task.id not in joined]:
            joined |= self._tasks.add(wanted, runner, tick.home)
        for at, task in new:
            if task.id in joined:
                self._file.opened.execute(sql.JOINED, (tick.schedule, at, joined[task.id]))
            self._file.opened.execute(sql.REMEMBER, (tick.schedule, at, joined.get(task.id, task.id)))
        self._file.opened.execute(sql.KEEP_NEWEST_TICKS, (tick.schedule, KEPT))

    def _parked(self, tick: Tick) -> int:
        """The last task, if it is parked and its ticks would only make more of the same; else 0."""
        if not tick.runs:
            return 0
        task = tick.runs[0][1]
        same = (tick.schedule, task.function, task.arguments)
        found: Any = self._file.opened.execute(sql.LAST_IS_PARKED, same).fetchone()
        if found is None:
            return 0
        number, name, why, is_news = found
        if is_news:
            schedules.ScheduleHeldUp(as_text(name), shown(number), as_text(why)).tell()
        return int(number)

    def _is_new(self, schedule: int, at: float, task: int) -> bool:
        return bool(self._file.opened.execute(sql.TICK, (schedule, at, task)).fetchone())

    def _adopt(self, adopted: Adopted) -> None:
        for one in adopted.schedules:
            self._file.opened.execute(sql.ADOPT, written(one, adopted.home, in_code=True))
        names = json.dumps([one.name for one in adopted.schedules])
        retired: list[Any] = self._file.opened.execute(sql.RETIRE, (self._file.now, adopted.home.app, names)).fetchall()
        for (name,) in retired:
            schedules.ScheduleRetired(as_text(name), adopted.home.app, adopted.home.release).tell()
        forget_ticks_of(self._file.opened, sql.FORGET_RETIRED, (self._file.now - RETIRED_FOR,))
