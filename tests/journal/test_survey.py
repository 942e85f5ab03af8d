"""What a dashboard asks of a journal, by every engine: counts that end, searches that go on, figures of minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from outlast.ids import shown
from outlast.journal.contract import Drop, ProcessEntry
from outlast.journal.engines import open_survey
from outlast.journal.sqlite import searching
from outlast.journal.sqlite import survey as counting
from outlast.journal.survey import MOST_COUNTED, Cursor, Minute, Search, Survey
from outlast.journal.turn import RunnersJournal as Journal
from outlast.tasks.ids import TaskIds
from outlast.tasks.limits import Limits
from outlast.tasks.task import NO_OPTIONS, End, Lane, NewTask, Settlement, State
from tests.journal.test_contract import ENGINES
from tests.support.turns import at, claim, done, opened, settle

IDS = TaskIds()
TRACEBACK = 'Traceback (most recent call last):\n  File "/srv/shop.py", line 7, in send\n    fail()\nValueError: no\n'
MINUTE = 60.0


@pytest.fixture(params=sorted(ENGINES))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return ENGINES[request.param](tmp_path)


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    journal = opened(url)
    journal.open()
    yield journal
    journal.close()


@pytest.fixture
def survey(url: str, journal: Journal) -> Survey:
    return open_survey(url)


@pytest.fixture
def runner(journal: Journal) -> int:
    with journal.transaction():
        return journal.processes.enter(ProcessEntry("runner", 4711, "here", 1.0))


def add(journal: Journal, owner: int, *functions: str, state: State = State.WAITING, key: str = "") -> list[int]:
    """Tasks of these functions, in their order."""
    tasks = [NewTask(IDS.next(), one, '{"to":"Ada"}', Lane.LOOP, state, 1.0, "GET /orders") for one in functions]
    if key:
        tasks = [one._replace(options=replace(NO_OPTIONS, key=key)) for one in tasks]
    with journal.transaction():
        journal.tasks.add(tasks, owner)
    return [one.id for one in tasks]


def fail(journal: Journal, runner: int, count: int, reason: str = "ValueError: no", now: float = 4.0) -> list[int]:
    """So many of those that wait are claimed and fail, one second after the other."""
    claimed = claim(journal, runner, limit=count)
    for number, one in enumerate(claimed):
        settle(journal, Settlement(one.id, one.attempt, End.ERROR, State.FAILED, reason, TRACEBACK), now=now + number)
    return [one.id for one in claimed]


def searched(survey: Survey, search: Search, limit: int = 50) -> list[int]:
    """All that is found, page by page."""
    found: list[int] = []
    cursor: Cursor | None = None
    while True:
        page = survey.search(search, cursor, limit)
        assert len(page.ids) <= limit
        found += page.ids
        cursor = page.cursor
        if cursor is None:
            return found


def test_counts_are_those_of_all_states_and_end_somewhere(
    journal: Journal, runner: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MOST_COUNTED", 3)
    add(journal, runner, *["app:send"] * 9)
    fail(journal, runner, 2)
    settle(journal, *map(done, claim(journal, runner, limit=1)))
    claim(journal, runner, limit=1)
    counts = survey.overview(1.0).counts
    assert counts == {
        "held": 0,
        "waiting": 4,
        "running": 1,
        "done": 1,
        "failed": 2,
        "cancelled": 0,
        "dropped": 0,
        "parked": 0,
    }


def test_what_is_claimed_behind_another_task_waits(journal: Journal, runner: int, survey: Survey) -> None:
    first, second = (NewTask(IDS.next(), "app:send", "{}", Lane.LOOP, State.WAITING, 1.0, "GET /") for _ in "12")
    with journal.transaction():
        journal.tasks.add([first, second._replace(follows=first.id)], runner)
    assert len(claim(journal, runner, behind=5)) == 2
    counts = survey.overview(1.0).counts
    assert (counts["waiting"], counts["running"]) == (1, 1)
    assert searched(survey, Search((State.WAITING,))) == [second.id]
    assert searched(survey, Search((State.RUNNING,))) == [first.id]


def test_the_oldest_is_the_first_in_line_of_any_lane(journal: Journal, runner: int, survey: Survey) -> None:
    assert survey.overview(1.0).oldest is None
    later, earlier = (
        NewTask(IDS.next(), "app:send", "{}", lane, State.WAITING, created, "GET /")
        for lane, created in ((Lane.LOOP, 9.0), (Lane.THREAD, 5.0))
    )
    with journal.transaction():
        journal.tasks.add([later, earlier], runner)
    assert survey.overview(1.0).oldest == 5.0


def test_processes_are_those_that_have_not_left(runner: int, survey: Survey) -> None:
    (present,) = survey.overview(1.0).processes
    assert (present.id, present.kind, present.pid) == (runner, "runner", 4711)


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_all_are_found_once_the_newest_first_page_by_page(
    journal: Journal, runner: int, survey: Survey, limit: int
) -> None:
    ids = add(journal, runner, *["app:send"] * 7)
    failed = fail(journal, runner, 3)
    assert searched(survey, Search(), limit) == ids[::-1]
    assert searched(survey, Search((State.FAILED,)), limit) == failed[::-1], "in the order of their ends"
    assert searched(survey, Search((State.WAITING,)), limit) == ids[:2:-1]
    assert searched(survey, Search((State.WAITING, State.FAILED)), limit) == ids[::-1]
    assert searched(survey, Search((State.DONE,)), limit) == []


def test_ends_of_several_states_are_in_one_order(journal: Journal, runner: int, survey: Survey) -> None:
    ids = add(journal, runner, *["app:send"] * 4)
    for number, one in enumerate(claim(journal, runner)):
        end = done(one) if number % 2 else Settlement(one.id, 1, End.ERROR, State.FAILED, "ValueError: no")
        settle(journal, end, now=4.0 + number)
    for limit in (1, 3, 50):
        assert searched(survey, Search((State.FAILED, State.DONE)), limit) == ids[::-1]


def test_a_search_looks_through_so_many_and_says_where_to_go_on(
    journal: Journal, runner: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "LOOKED_AT", 3)
    (rare,) = add(journal, runner, "app:rare")
    add(journal, runner, *["app:send"] * 5)
    page = survey.search(Search(name="rare"))
    assert (page.ids, page.cursor is None) == ((), False)
    assert searched(survey, Search(name="rare")) == [rare]
    fail(journal, runner, 6)
    assert searched(survey, Search((State.FAILED,), name="rare")) == [rare]


@pytest.mark.parametrize(
    ("search", "meant"),
    [
        (Search(name="mail"), [0]),
        (Search(name="app:"), [1, 0]),
        (Search(key="order-7"), [1]),
        (Search(key="order"), []),
        (Search(text="order-7"), [1]),
        (Search(text="GET /orders"), [1, 0]),
        (Search(text="get /OrDers"), [1, 0]),
        (Search(text="ORDER-7"), [1]),
        (Search(text="Ada"), []),
        (Search(text="%"), []),
        (Search(name="' OR 1=1 --"), []),
        (Search(text="\0"), []),
        (Search(since=4e9), []),
        (Search(until=4e9), [1, 0]),
        (Search(since=1.0, until=2.0), []),
    ],
    ids=repr,
)
def test_what_is_meant(journal: Journal, runner: int, survey: Survey, search: Search, meant: Sequence[int]) -> None:
    ids = [*add(journal, runner, "app:mail"), *add(journal, runner, "app:print", key="order-7")]
    assert searched(survey, search) == [ids[one] for one in meant]


def test_a_whole_id_finds_its_task_however_many_came_later(
    journal: Journal, runner: int, survey: Survey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "LOOKED_AT", 3)
    (keyed,) = add(journal, runner, "app:send", key="order-7")
    add(journal, runner, *["app:send"] * 5)
    by_id = Search(text=shown(keyed))
    for meant in (by_id, replace(by_id, key="order-7"), replace(by_id, name="send", states=(State.WAITING,))):
        assert survey.search(meant).ids == (keyed,)
    for other in (replace(by_id, key="order-8"), replace(by_id, name="mail"), replace(by_id, states=(State.FAILED,))):
        assert survey.search(other).ids == ()
    assert survey.search(Search(text=shown(keyed)[:-1])).ids == ()


def test_a_number_that_could_be_an_id_is_a_text(journal: Journal, runner: int, survey: Survey) -> None:
    (keyed,) = add(journal, runner, "app:send", key="article 4006381333931")
    assert survey.search(Search(text="4006381333931")).ids == (keyed,)


def test_tasks_of_a_queue_are_found(journal: Journal, runner: int, survey: Survey) -> None:
    add(journal, runner, "app:send")
    queued = replace(NO_OPTIONS, limits=Limits("mails"))
    task = NewTask(IDS.next(), "app:send", "{}", Lane.LOOP, State.WAITING, 1.0, "GET /", options=queued)
    with journal.transaction():
        journal.tasks.add([task], runner)
    assert searched(survey, Search(queue="mails")) == [task.id]
    assert searched(survey, Search((State.WAITING,), queue="mails")) == [task.id]
    assert searched(survey, Search(queue="mail")) == []


def test_reasons_are_searched(journal: Journal, runner: int, survey: Survey) -> None:
    (held,) = add(journal, runner, "app:send", state=State.HELD)
    with journal.transaction():
        journal.tasks.drop([Drop(held, "its response was never sent")])
    assert searched(survey, Search(text="never sent")) == [held]
    assert searched(survey, Search((State.DROPPED,), text="never sent")) == [held]


def test_ends_are_counted_by_minute(journal: Journal, runner: int, survey: Survey) -> None:
    add(journal, runner, *["app:send"] * 5)
    fail(journal, runner, 1, now=10 * MINUTE)
    fail(journal, runner, 1, now=12 * MINUTE - 0.1)
    settle(journal, *map(done, claim(journal, runner, limit=3)), now=11 * MINUTE)
    assert survey.ends(10, 12) == [Minute(10, 0, 1), Minute(11, 3, 1)]
    assert survey.ends(11, 60) == [Minute(11, 3, 1)]
    assert survey.ends(0, 10) == []


def test_how_long_those_waited_that_could_have_begun_at_once(journal: Journal, runner: int, survey: Survey) -> None:
    add(journal, runner, "app:send")
    later = NewTask(IDS.next(), "app:send", "{}", Lane.LOOP, State.WAITING, 1.0, "GET /")
    with journal.transaction():
        journal.tasks.add([later._replace(options=replace(NO_OPTIONS, delay=1.0))], runner)
    settle(journal, *map(done, claim(journal, runner, now=3.5)), now=4.0)
    settle(journal, *map(done, claim(journal, runner, now=9.0)), now=10.0)
    assert list(survey.waits()) == [2.5]


def test_failures_are_the_newest_with_the_end_of_their_traceback(journal: Journal, runner: int, survey: Survey) -> None:
    add(journal, runner, *["app:send"] * 3)
    failed = fail(journal, runner, 3)
    found = survey.failures(limit=2)
    assert [one.id for one in found] == failed[:0:-1]
    assert (found[0].function, found[0].reason, found[0].at) == ("app:send", "ValueError: no", 6.0)
    assert "line 7, in send" in found[0].traceback


def test_how_large_a_journal_is(survey: Survey, journal: Journal, runner: int) -> None:
    at(2.0)
    add(journal, runner, "app:send")
    extent = survey.extent()
    assert extent.file + extent.log > 0
    assert extent.version > 0


def test_growth_is_what_the_last_hour_has_brought(journal: Journal, survey: Survey, runner: int) -> None:
    now = 1_800_000_000.0
    assert (survey.growth(now).tasks, survey.growth(now).each) == (0, 0)
    times = [now - 3_700.0, now - 3_500.0, now - 10.0]
    made = [
        NewTask(TaskIds().next(at), "app:send", '"' + "x" * 998 + '"', Lane.LOOP, State.WAITING, at, "GET /")
        for at in times
    ]
    with journal.transaction():
        journal.tasks.add(made, runner)
    found = survey.growth(now)
    assert (found.tasks, found.each) == (2, 1000 + len("app:send") + len("GET /"))


def test_what_a_task_has_said_counts_among_what_it_brings(journal: Journal, survey: Survey, runner: int) -> None:
    (task,) = add(journal, runner, "app:send")
    (one,) = claim(journal, runner)
    before = survey.growth(time.time()).each
    settle(journal, Settlement(one.id, one.attempt, End.ERROR, State.FAILED, "x" * 10, "y" * 1000))
    assert survey.growth(time.time()).each >= before + 1000
    assert task == one.id


def test_growth_is_counted_no_further_than_others(
    journal: Journal, survey: Survey, runner: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MOST_COUNTED", 2)
    add(journal, runner, *["app:send"] * 5)
    assert survey.growth(time.time()).tasks == 3


def test_what_was_forgotten_is_free(journal: Journal, survey: Survey, runner: int) -> None:
    before = survey.extent().free
    ids = add(journal, runner, *[f"app:{'x' * 900}{number}" for number in range(50)])
    with journal.transaction():
        journal.tasks.cancel(ids)
    with journal.transaction():
        journal.tasks.delete(ids)
    assert survey.extent().free > before


def test_tasks_of_a_queue_are_counted_no_further_than_others(journal: Journal, survey: Survey, runner: int) -> None:
    limits = replace(NO_OPTIONS, limits=Limits("mails"))
    made = NewTask(1, "app:send", "{}", Lane.LOOP, State.WAITING, 1.0, "GET /", options=limits)
    with journal.transaction():
        journal.tasks.add([made._replace(id=IDS.next()) for _ in range(MOST_COUNTED + 7)], runner)
    claim(journal, runner, limit=3)
    (found,) = survey.queues()
    assert (found.waiting, found.running) == (MOST_COUNTED + 1, 3)
