"""Which of the ticks that have come make a task, what a schedule is as text, and what may be said of a function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from outlast.errors import OptionError
from outlast.system.process import this
from outlast.tasks.every import every
from outlast.tasks.ids import TaskIds
from outlast.tasks.options import with_options
from outlast.tasks.schedules import LATE, MOST_MISSED, Blueprint, Missed, Schedule, SequelBlueprint, due
from outlast.tasks.sequel import Gets
from outlast.tasks.task import NO_OPTIONS, Lane, State, sequels_of
from outlast.tasks.timing import timing

SECOND = timing(None, 1)
MINUTE = timing(None, 60)


@pytest.fixture(autouse=True)
def _of_nobody() -> Iterator[None]:
    before, this.apps.schedules = this.apps.schedules, []
    yield
    this.apps.schedules = before


@pytest.mark.parametrize("missed", Missed)
def test_a_tick_runs_in_its_time_whatever_is_said_of_missed_ones(missed: Missed) -> None:
    ticks = due(MINUTE, missed, 600.0, 600.3)
    assert (ticks.runs, ticks.next_at) == ((600.0,), 660.0)


def test_of_missed_ticks_the_newest_runs_once() -> None:
    ticks = due(MINUTE, Missed.ONCE, 600.0, 1000.0)
    assert (ticks.runs, ticks.next_at) == ((960.0,), 1020.0)


def test_or_all_of_them_up_to_a_bound() -> None:
    assert due(MINUTE, Missed.ALL, 600.0, 800.0).runs == (600.0, 660.0, 720.0, 780.0)
    many = due(SECOND, Missed.ALL, 600.0, 100_000.0).runs
    assert (len(many), many[0], many[-1]) == (MOST_MISSED, 100_001.0 - MOST_MISSED, 100_000.0)


def test_ticks_of_another_age_cost_nothing() -> None:
    assert due(timing("* * * * *", None), Missed.ONCE, -1e300, 1e9).runs == (1e9 - 40,)


def test_or_none_that_is_late() -> None:
    assert due(timing(None, 86_400), Missed.NONE, 86_400.0, 86_400.0 + LATE).runs == (86_400.0,)
    late = due(timing(None, 86_400), Missed.NONE, 86_400.0, 86_401.0 + LATE)
    assert (late.runs, late.next_at) == ((), 2 * 86_400.0)


def blueprint(**options: Any) -> Blueprint:
    return Blueprint("main:send", '{"to":"ä"}', Lane.THREAD, with_options(NO_OPTIONS, options), "c0de")


@pytest.mark.parametrize(
    "options",
    [{}, {"retries": 3, "backoff": 5, "retry_on": OSError}, {"timeout": 5, "memory": "1G", "priority": -3, "key": "x"}],
)
def test_a_schedule_comes_back_from_its_texts(options: dict[str, Any]) -> None:
    after = SequelBlueprint(blueprint(retries=1), Gets.RESULT, ("to",))
    for each in (blueprint(**options), replace(blueprint(**options), sequels=(after,))):
        schedule = Schedule("each minute", MINUTE, Missed.ALL, each)
        assert Schedule.read(*schedule.texts()) == schedule


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "null", '{"function": "a:b"}', "[" * 10_000),
        blueprint().text().replace("thread", "somewhere"),
        blueprint().text().replace('"main:send"', "5"),
        blueprint().text().replace('"options":{}', '"options":{"unheard_of":1}'),
        blueprint().text().replace('"options":{}', '"options":{"timeout":[1]}'),
        blueprint(retries=1).text().replace("retries", "retires"),
    ],
)
def test_text_that_is_none_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Blueprint.read(text)


def test_a_tick_makes_a_task_that_waits() -> None:
    task = blueprint(priority=5).task(lambda: 7, 100.0, "schedule x")
    assert (task.id, task.state, task.function, task.created_at) == (7, State.WAITING, "main:send", 100.0)
    assert (task.arguments, task.options.priority, task.origin, task.follows) == ('{"to":"ä"}', 5, "schedule x", None)


def test_what_runs_after_it_comes_along_under_ids_of_its_own() -> None:
    after = SequelBlueprint(blueprint(), Gets.RESULT, ("to",))
    whole = replace(blueprint(), sequels=(after, replace(after, blueprint=replace(blueprint(), sequels=(after,)))))
    task = whole.task(TaskIds().next, 100.0, "schedule x")
    sequels = list(sequels_of([task]))
    assert len({task.id, *(one.task.id for one in sequels)}) == 4
    assert [one.before for one in sequels] == [(task.id,), (task.id,), (sequels[1].task.id,)]


def test_a_function_says_when_it_runs_and_stays_what_it_is() -> None:
    def nightly() -> None: ...

    assert every("0 6 * * *")(nightly) is nightly
    assert [(function, one.timing.cron) for function, one in this.apps.schedules] == [(nightly, "0 6 * * *")]


def test_a_module_that_is_imported_under_two_names_says_it_once() -> None:
    for _ in range(2):

        @every(seconds=5)
        def nightly() -> None: ...

    assert len(this.apps.schedules) == 2, "local functions are different ones"
    code = compile("@every(seconds=5)\ndef nightly(): ...", "main.py", "exec")
    for _ in range(2):
        exec(code, {"every": every})  # noqa: S102
    assert len(this.apps.schedules) == 3


def test_two_schedules_of_one_function_need_names() -> None:
    with pytest.raises(OptionError, match="two schedules of one name"):

        @every(seconds=5)
        @every(seconds=7)
        def twice() -> None: ...

    @every(seconds=5, name="five")
    @every(seconds=7, name="seven")
    def well() -> None: ...

    assert {one.name for function, one in this.apps.schedules if function is well} == {"five", "seven"}


@pytest.mark.parametrize("given", [{"missed": "some"}, {"name": "a\nb"}, {"name": "x" * 300}])
def test_what_is_wrong_is_said_where_it_is_written(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        every(seconds=5, **given)
