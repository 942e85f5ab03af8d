"""Schedules in a journal: each tick makes one task, whoever works it out and however often; code says what there is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from outlast.errors import TaskRefused
from outlast.ids import shown as id_of
from outlast.journal.contract import ProcessEntry
from outlast.journal.read import History, ScheduleRecord
from outlast.journal.schedules import Adopted, Declared, Halted, Scheduled, Tick, Unscheduled, Waiting
from outlast.journal.scribe import Scribe
from outlast.journal.submissions import Submission
from outlast.journal.turn import Known, RunnersJournal, Turn, Wanted
from outlast.system.deployment import Home
from outlast.system.threads import Complaints
from outlast.tasks.ids import TaskIds
from outlast.tasks.options import with_options
from outlast.tasks.outcome import Unknown, outcome
from outlast.tasks.schedules import Blueprint, Missed, Schedule
from outlast.tasks.task import NO_OPTIONS, Claimed, Lane
from outlast.tasks.timing import Timing, timing
from tests.journal.test_contract import history, runner, url, web
from tests.journal.test_schema import made_by
from tests.support.history import history_of
from tests.support.turns import at, claim, opened, settle

__all__ = ["history", "runner", "url", "web"]
NOW = 1_800_000_000.0  # seconds since the epoch
OLD, NEW = Home("main:app", "old"), Home("main:app", "new")
IDS = TaskIds()
ENTRY = ProcessEntry("web", 4711, "its host", NOW)


@pytest.fixture
def journal(url: str) -> Iterator[RunnersJournal]:
    at(NOW)
    journal = opened(url)
    yield journal
    journal.close()


def schedule(name: str = "nightly", when: Timing | None = None, **options: Any) -> Schedule:
    blueprint = Blueprint("main:nightly", "{}", Lane.LOOP, with_options(NO_OPTIONS, options))
    return Schedule(name, when or timing(None, 60), Missed.ONCE, blueprint)


def adopt(journal: RunnersJournal, runner: int, *schedules: Schedule, home: Home = OLD) -> None:
    journal.turn(Turn(runner, schedules=[Adopted(home, schedules)]))


def put(journal: RunnersJournal, one: Schedule, home: Home = OLD) -> bool:
    with journal.transaction():
        return journal.schedules.put(Scheduled(IDS.next(), one), home)


def waiting(journal: RunnersJournal) -> list[Waiting]:
    return list(journal.schedules.waiting(None, 100))


def tick_of(one: Waiting, *runs: float, next_at: float | None = None) -> Tick:
    tasks = [(run, Schedule.read(*one.texts).blueprint.task(IDS.next, NOW, "schedule")) for run in runs]
    return Tick(one.id, one.revision, one.home, one.next_at, one.asked_at, tasks, next_at or NOW + 60)


def ticking(journal: RunnersJournal, runner: int, next_at: float = NOW + 60) -> Waiting:
    """One that waits for a tick, whose time it is then."""
    (one,) = waiting(journal)
    assert one.next_at is None
    journal.turn(Turn(runner, schedules=[tick_of(one, next_at=next_at)]))
    at(next_at)
    (one,) = waiting(journal)
    return one


def shown(history: History, name: str = "nightly") -> ScheduleRecord:
    (one,) = (one for one in history.schedules() if one.name == name)
    return one


def test_what_is_adopted_waits_for_its_first_tick(journal: RunnersJournal, runner: int, history: History) -> None:
    adopt(journal, runner, schedule())
    (one,) = waiting(journal)
    assert (one.next_at, one.home, Schedule.read(*one.texts)) == (None, OLD, schedule())
    journal.turn(Turn(runner, schedules=[tick_of(one, next_at=NOW + 60)]))
    assert waiting(journal) == []
    assert journal.schedules.next_in(None) == pytest.approx(60.0)
    told = shown(history)
    assert (told.state, told.next_at, told.when, told.function) == ("ticking", NOW + 60, "every 60 s", "main:nightly")


def test_a_tick_makes_one_task_however_often_it_is_written(
    journal: RunnersJournal, runner: int, history: History
) -> None:
    adopt(journal, runner, schedule())
    one = ticking(journal, runner)
    first, second = (tick_of(one, NOW + 60, next_at=NOW + 120) for _ in range(2))
    for tick in (first, first, second):  # an answer that was lost, and another runner
        journal.turn(Turn(runner, schedules=[tick]))
    (task,) = claim(journal, runner, home=OLD, now=NOW + 60)
    assert task.id == first.runs[0][1].id
    assert (shown(history).last_at, shown(history).next_at) == (NOW + 60, NOW + 120)


def test_a_tick_that_was_is_not_again_whatever_the_schedule_says_now(journal: RunnersJournal, runner: int) -> None:
    adopt(journal, runner, schedule())
    journal.turn(Turn(runner, schedules=[tick_of(ticking(journal, runner), NOW + 60)]))
    adopt(journal, runner, schedule(when=timing("* * * * *", None)))
    (one,) = waiting(journal)
    assert one.last_at == NOW + 60
    at(NOW)  # a clock that was set back
    journal.turn(Turn(runner, schedules=[tick_of(one, NOW + 60)]))
    assert len(claim(journal, runner, home=OLD, now=NOW + 60)) == 1


def test_a_task_is_claimed_in_the_turn_of_its_tick(journal: RunnersJournal, runner: int) -> None:
    adopt(journal, runner, schedule())
    tick = tick_of(ticking(journal, runner), NOW + 60)
    wanted = Wanted([(Lane.LOOP, OLD)], {Lane.LOOP: 5})
    (taken,) = journal.turn(Turn(runner, schedules=[tick], wanted=[wanted])).taken
    assert [one.id for one in taken.attempts] == [tick.runs[0][1].id]


def test_options_of_the_function_hold(journal: RunnersJournal, runner: int) -> None:
    adopt(journal, runner, schedule(retries=3, timeout=5))
    journal.turn(Turn(runner, schedules=[tick_of(ticking(journal, runner), NOW + 60)]))
    (task,) = claim(journal, runner, home=OLD, now=NOW + 60)
    assert (task.policy.retries, task.timeout) == (3, 5.0)


def park(journal: RunnersJournal, runner: int, now: float) -> Claimed:
    """The task of a tick, whose function is not known."""
    (task,) = claim(journal, runner, home=OLD, now=now)
    settle(journal, outcome(Unknown("main:nightly does not exist"), task, 2), now=now)
    return task


def tick_at(journal: RunnersJournal, runner: int, now: float) -> None:
    at(now)
    (one,) = waiting(journal)
    runs = [now] if one.asked_at is None else [now, one.asked_at]
    journal.turn(Turn(runner, schedules=[tick_of(one, *runs, next_at=now + 60)]))


def test_while_its_last_task_is_parked_a_schedule_makes_no_more_of_them_and_says_so_once(
    journal: RunnersJournal, runner: int, history: History, caplog: pytest.LogCaptureFixture
) -> None:
    adopt(journal, runner, schedule())
    journal.turn(Turn(runner, schedules=[tick_of(ticking(journal, runner), NOW + 60, next_at=NOW + 120)]))
    at(NOW + 61)
    task = park(journal, runner, NOW + 61)
    for now in (NOW + 120, NOW + 180, NOW + 240):
        tick_at(journal, runner, now)
    assert [one.count for one in journal.tasks.parked()] == [1]
    assert claim(journal, runner, home=OLD, now=NOW + 240) == []
    assert (shown(history).last_at, shown(history).last_task) == (NOW + 240, id_of(task.id))
    (said,) = [one.getMessage() for one in caplog.records if "ticks of schedule" in one.getMessage()]
    why = f"no more tasks while the last one, {id_of(task.id)}, is parked: main:nightly does not exist"
    assert said == f"ticks of schedule nightly make {why}"
    journal.turn(Turn(runner, known=[Known(group, NOW + 300) for group in journal.tasks.parked()]))
    tick_at(journal, runner, NOW + 300)
    assert len(claim(journal, runner, home=OLD, now=NOW + 300)) == 2, "it, and one of the tick"


def test_a_schedule_whose_last_task_is_parked_runs_by_hand_and_when_it_says_something_else(
    journal: RunnersJournal, runner: int, history: History
) -> None:
    put(journal, schedule())
    journal.turn(Turn(runner, schedules=[tick_of(ticking(journal, runner), NOW + 60, next_at=NOW + 120)]))
    at(NOW + 61)
    park(journal, runner, NOW + 61)
    with journal.transaction():
        journal.schedules.ask([shown(history).id])
    tick_at(journal, runner, NOW + 120)
    park(journal, runner, NOW + 121)
    other = schedule()
    put(journal, replace(other, blueprint=replace(other.blueprint, arguments='[[], {"number": 1}]')))
    tick_at(journal, runner, NOW + 180)
    (task,) = claim(journal, runner, home=OLD, now=NOW + 180)
    assert task.arguments == '[[], {"number": 1}]'


def test_with_a_key_a_tick_joins_the_run_before(journal: RunnersJournal, runner: int, history: History) -> None:
    adopt(journal, runner, schedule(key="one at a time"))
    one = ticking(journal, runner)
    journal.turn(Turn(runner, schedules=[tick_of(one, NOW + 60, next_at=NOW + 120)]))
    (task,) = claim(journal, runner, home=OLD, now=NOW + 60)
    at(NOW + 120)
    (one,) = waiting(journal)
    journal.turn(Turn(runner, schedules=[tick_of(one, NOW + 120, next_at=NOW + 180)]))
    assert claim(journal, runner, home=OLD, now=NOW + 120) == []
    assert (shown(history).last_at, shown(history).last_task) == (NOW + 120, id_of(task.id))


def test_whoever_has_read_what_it_was_before_does_nothing(journal: RunnersJournal, runner: int) -> None:
    adopt(journal, runner, schedule())
    one = ticking(journal, runner)
    adopt(journal, runner, schedule(retries=1))
    journal.turn(Turn(runner, schedules=[tick_of(one, NOW + 60)]))
    assert claim(journal, runner, home=OLD, now=NOW + 60) == []
    assert [each.next_at for each in waiting(journal)] == [NOW + 60], "its tick stays, since its time is the same"


def test_the_newest_code_retires_what_it_does_not_have_and_brings_it_back(
    journal: RunnersJournal, runner: int, history: History, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "outlast")
    adopt(journal, runner, schedule(), schedule("other"))
    put(journal, schedule("at run time"))
    adopt(journal, runner, schedule("other"), home=NEW)
    states = {one.name: (one.state, one.release) for one in history.schedules()}
    assert states == {
        "nightly": ("retired", "old"),
        "other": ("ticking", "new"),
        "at run time": ("ticking", "old"),
    }
    assert "schedule nightly is retired: the newest code of main:app does not have it (release new)" in caplog.text
    assert {one.texts[0] for one in waiting(journal)} == {"other", "at run time"}
    adopt(journal, runner, schedule(), schedule("other"), home=OLD)
    assert shown(history).state == "ticking"


def test_schedules_of_another_app_are_its_own(journal: RunnersJournal, runner: int, history: History) -> None:
    elsewhere = Home("admin:app", "1")
    adopt(journal, runner, schedule())
    adopt(journal, runner, home=elsewhere)
    assert shown(history).state == "ticking"
    assert journal.schedules.waiting({"admin:app"}, 10) == []
    assert len(journal.schedules.waiting({"main:app", "admin:app"}, 10)) == 1


def test_pause_and_resume(journal: RunnersJournal, runner: int, history: History) -> None:
    adopt(journal, runner, schedule())
    one = ticking(journal, runner)
    with journal.transaction():
        assert [journal.schedules.pause([one.id]), journal.schedules.pause([one.id])] == [[one.id], []]
    journal.turn(Turn(runner, schedules=[tick_of(one, NOW + 60)]))
    assert claim(journal, runner, home=OLD, now=NOW + 60) == []
    adopt(journal, runner, schedule(retries=2))
    assert (shown(history).state, waiting(journal)) == ("paused", []), "a deploy changes nothing about that"
    with journal.transaction():
        assert [journal.schedules.resume([one.id]), journal.schedules.resume([one.id])] == [[one.id], []]
    assert [each.next_at for each in waiting(journal)] == [None]


@pytest.mark.parametrize("paused", [False, True])
def test_run_now_is_a_run_beside_its_ticks(journal: RunnersJournal, runner: int, *, paused: bool) -> None:
    adopt(journal, runner, schedule())
    one = ticking(journal, runner)
    at(NOW + 30)
    with journal.transaction():
        if paused:
            journal.schedules.pause([one.id])
        assert journal.schedules.ask([one.id]) == [one.id]
    (one,) = waiting(journal)
    assert (one.asked_at, one.is_paused, one.next_at) == (NOW + 30, paused, None if paused else NOW + 60)
    tick = replace(tick_of(one, NOW + 30), next_at=one.next_at)
    for _ in range(2):
        journal.turn(Turn(runner, schedules=[tick]))
    assert len(claim(journal, runner, home=OLD, now=NOW + 30)) == 1
    assert waiting(journal) == []


def test_one_of_run_time_is_put_again_and_removed(journal: RunnersJournal, runner: int, history: History) -> None:
    assert put(journal, schedule())
    one = ticking(journal, runner)
    assert put(journal, schedule(retries=1))
    (again,) = waiting(journal)
    assert (again.id, again.next_at, again.revision != one.revision) == (one.id, NOW + 60, True)
    journal.turn(Turn(runner, schedules=[tick_of(again, NOW + 60)]))
    with journal.transaction():
        gone = [journal.schedules.remove(Unscheduled(IDS.next(), "nightly"), OLD) for _ in range(2)]
    assert (gone, history.schedules()) == ([True, False], [])
    assert len(claim(journal, runner, home=OLD, now=NOW + 60)) == 1, "its task runs"


def test_what_stands_in_code_is_not_changed_at_run_time(journal: RunnersJournal, runner: int, history: History) -> None:
    adopt(journal, runner, schedule())
    assert not put(journal, schedule(retries=5))
    with journal.transaction():
        assert not journal.schedules.remove(Unscheduled(IDS.next(), "nightly"), OLD)
    assert Schedule.read(*waiting(journal)[0].texts) == schedule()


def test_a_declaration_is_kept_and_is_another_one_when_it_says_other_things(journal: RunnersJournal) -> None:
    def declared(*schedules: Schedule, home: Home = OLD) -> list[tuple[Home, int]]:
        with journal.transaction():
            journal.schedules.declare(Declared(schedules), home)
        return [(one.home, one.revision) for one in journal.schedules.declarations()]

    assert declared() == [], "of an app without schedules nothing is kept"
    ((_, first),) = declared(schedule())
    assert declared(schedule()) == [(OLD, first)]
    ((_, second),) = declared(schedule("other"))
    assert second != first
    assert {home for home, _ in declared(home=NEW)} == {OLD, NEW}, "that the newest has none is told, too"
    declaration = journal.schedules.declaration(NEW)
    assert declaration is not None
    assert declaration.texts == "[]"
    assert journal.schedules.declaration(Home("x", "y")) is None


def test_what_cannot_go_on_is_paused_until_it_says_something_else(
    journal: RunnersJournal, runner: int, history: History
) -> None:
    adopt(journal, runner, schedule())
    (one,) = waiting(journal)
    journal.turn(
        Turn(
            runner, schedules=[Halted(one.id, one.revision + 1, "of another one"), Halted(one.id, one.revision, "why")]
        )
    )
    assert (shown(history).state, shown(history).reason, waiting(journal)) == ("paused", "why", [])
    adopt(journal, runner, schedule(retries=1))
    assert (shown(history).state, shown(history).reason) == ("ticking", "")


def test_a_tick_whose_task_is_refused_is_no_tick(journal: RunnersJournal, runner: int) -> None:
    adopt(journal, runner, schedule())
    one = ticking(journal, runner)
    ((when, task),) = tick_of(one, NOW + 60).runs
    wrong = replace(tick_of(one), runs=[(when, task._replace(arguments="a\0b"))])
    with pytest.raises(TaskRefused):
        journal.turn(Turn(runner, schedules=[wrong]))
    journal.turn(Turn(runner, schedules=[tick_of(one, NOW + 60)]))
    assert len(claim(journal, runner, home=OLD, now=NOW + 60)) == 1


def test_what_a_clock_that_was_ahead_has_worked_out_is_worked_out_again(journal: RunnersJournal, runner: int) -> None:
    adopt(journal, runner, schedule())
    at(NOW + 70 * 365 * 86_400)
    one = ticking(journal, runner, NOW + 70 * 365 * 86_400 + 60)
    journal.turn(Turn(runner, schedules=[tick_of(one, one.next_at or 0.0, next_at=(one.next_at or 0.0) + 60)]))
    at(NOW)
    (one,) = waiting(journal)
    journal.turn(Turn(runner, schedules=[tick_of(one, next_at=NOW + 60)]))
    assert waiting(journal) == []
    at(NOW + 60)
    assert [each.next_at for each in waiting(journal)] == [NOW + 60]


def test_no_more_than_so_many_come_at_once_the_longest_due_first(journal: RunnersJournal, runner: int) -> None:
    adopt(journal, runner, *(schedule(f"number {number}") for number in range(5)))
    for number, one in enumerate(waiting(journal)):
        journal.turn(Turn(runner, schedules=[tick_of(one, next_at=NOW + number)]))
    at(NOW + 10)
    found = journal.schedules.waiting(None, 2)
    assert [one.next_at for one in found] == [NOW, NOW + 1]


def test_a_journal_of_before_has_none_and_gets_some(tmp_path: Path) -> None:
    path = made_by(tmp_path, 15)
    assert history_of(path).schedules() == []
    journal = opened(f"sqlite:///{path}")
    assert put(journal, schedule())
    journal.close()
    assert [one.name for one in history_of(path).schedules()] == ["nightly"]


class Replaced:
    """A journal in whose place another one comes."""

    def __init__(self, journal: RunnersJournal) -> None:
        self.now = journal

    def __getattr__(self, name: str) -> Any:
        return getattr(self.now, name)


def test_a_journal_that_comes_in_the_place_of_another_is_told_what_was_declared(
    journal: RunnersJournal, tmp_path: Path
) -> None:
    replaced: Any = Replaced(journal)
    scribe = Scribe(replaced, lambda here, _known: here.processes.enter(ENTRY), Complaints("this test"))
    scribe.home = OLD
    scribe.write([Submission([Declared([schedule()])])])
    replaced.now = other = opened(f"sqlite:///{tmp_path / 'other.db'}")
    scribe.write([Submission([Scheduled(IDS.next(), schedule("at run time"))])])
    assert [one.home for one in other.schedules.declarations()] == [OLD]
    other.close()


def test_who_has_no_schedule_does_not_pay_for_reading_cron_text() -> None:
    program = "import sys, outlast.app, outlast.runner.runner, outlast.tasks.every; print('cronsim' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
