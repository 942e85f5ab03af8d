"""A runner's turn is one batch: all of it is stored, or nothing. Of every engine, by the fixtures of the one suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from outlast.errors import TaskRefused
from outlast.ids import shown
from outlast.journal.contract import ProcessEntry
from outlast.journal.read import History
from outlast.journal.turn import (
    Began,
    Burial,
    Gone,
    Introduction,
    Known,
    Learned,
    NotIntroduced,
    Retention,
    RunnersJournal,
    Turn,
    Wanted,
    WantedApart,
)
from outlast.system.deployment import NO_HOME, Home
from outlast.tasks.outcome import Unknown, outcome
from outlast.tasks.task import Claimed, End, Lane, NewTask, Settlement, State, TaskOptions
from outlast.watch.incident import Cause, Incident, IncidentKind
from tests.journal.test_contract import (
    IDS,
    add,
    again,
    enter,
    history,
    line_of,
    new_task,
    record,
    runner,
    url,
    web,
)
from tests.support.turns import at, claim, done, opened, prune, settle

__all__ = ["history", "runner", "url", "web"]
INCIDENT = Incident(IncidentKind.DEATH, Cause.EXIT, "child", 1, 1.0, 0.0, "", "it left")
STOLEN = "its web worker is dead"


@pytest.fixture
def journal(url: str) -> Iterator[RunnersJournal]:
    journal = opened(url)
    yield journal
    journal.close()


def waiting(count: int, lane: Lane = Lane.LOOP) -> list[NewTask]:
    return [new_task(State.WAITING, lane) for _ in range(count)]


def test_an_empty_turn_has_empty_answers(journal: RunnersJournal, runner: int) -> None:
    answers = journal.turn(Turn(runner))
    assert not any((answers.settled, answers.buried, answers.taken, answers.apart, answers.forgotten))


def test_what_has_ended_is_settled_before_more_is_claimed(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    ids = add(journal, web, *line_of(2))
    wanted = Wanted([(Lane.LOOP, NO_HOME)], {Lane.LOOP: 1})
    ((first,),) = (one.attempts for one in journal.turn(Turn(runner, wanted=[wanted])).taken)
    assert first.id == ids[0]
    answers = journal.turn(Turn(runner, ended=[done(first)], wanted=[wanted]))
    assert (answers.settled, [one.id for one in answers.taken[0].attempts]) == ([ids[0]], ids[1:])
    assert [record(history, one).state for one in ids] == ["done", "running"]


def test_an_end_that_comes_late_is_missing_in_the_answer(journal: RunnersJournal, web: int, runner: int) -> None:
    add(journal, web, *waiting(1))
    (late,) = claim(journal, runner)
    settle(journal, again(late))
    (newer,) = claim(journal, runner)
    assert journal.turn(Turn(runner, ended=[done(late), done(newer)])).settled == [newer.id]


def test_a_pool_gets_no_more_of_a_lane_than_it_has_room_for_whoever_they_are_of(
    journal: RunnersJournal, web: int, runner: int
) -> None:
    blue, green = Home("blue"), Home("green")
    with journal.transaction():
        journal.tasks.add(waiting(3), web, blue)
        journal.tasks.add(waiting(3), web, green)
    sources = [(Lane.LOOP, blue), (Lane.THREAD, blue), (Lane.LOOP, green)]
    (taken,) = journal.turn(Turn(runner, wanted=[Wanted(sources, {Lane.LOOP: 4, Lane.THREAD: 1})])).taken
    assert [one.home for one in taken.attempts] == [blue, blue, blue, green]
    assert taken.dry == {(Lane.LOOP, blue), (Lane.THREAD, blue)}, "of green nobody knows whether there are more"
    (taken,) = journal.turn(Turn(runner, wanted=[Wanted(sources, {Lane.LOOP: 4})])).taken
    assert (len(taken.attempts), set(taken.dry)) == (2, {(Lane.LOOP, blue), (Lane.LOOP, green)})


def test_what_waits_behind_is_shared_by_the_lanes_of_a_pool(journal: RunnersJournal, web: int, runner: int) -> None:
    add(journal, web, *line_of(3), *line_of(3, Lane.THREAD))
    sources = [(Lane.LOOP, NO_HOME), (Lane.THREAD, NO_HOME)]
    wanted = Wanted(sources, {Lane.LOOP: 9, Lane.THREAD: 9}, behind=3)
    (taken,) = journal.turn(Turn(runner, wanted=[wanted])).taken
    assert sorted((one.lane, one.begun) for one in taken.attempts) == [
        *((Lane.LOOP, begun) for begun in (False, False, True)),
        *((Lane.THREAD, begun) for begun in (False, True)),
    ]


def test_each_process_gets_a_group_of_its_own(journal: RunnersJournal, web: int, runner: int) -> None:
    pair = [one._replace(options=TaskOptions(group_size=2)) for one in waiting(2)]
    single = [one._replace(options=TaskOptions(group_size=1)) for one in waiting(2)]
    ids = add(journal, web, *pair, *single)
    (apart,) = journal.turn(Turn(runner, apart=[WantedApart([NO_HOME], processes=2)])).apart
    assert ([[one.id for one in group] for group in apart.groups], set(apart.dry)) == (
        [ids[:2], ids[2:3]],
        set(),
    )
    (apart,) = journal.turn(Turn(runner, apart=[WantedApart([NO_HOME], processes=2)])).apart
    assert ([[one.id for one in group] for group in apart.groups], set(apart.dry)) == ([ids[3:]], {NO_HOME})


def test_a_dead_web_worker_is_buried_with_what_it_held_and_ran(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    held, unbegun, inline = add(journal, web, new_task(), *(new_task(lane=Lane.INLINE) for _ in range(2)))
    with journal.transaction():
        journal.attempts.begin([inline], web)
    (buried,) = journal.turn(Turn(runner, burials=[Burial(web, "never ran", STOLEN)])).buried
    assert ([*buried.never_ran], [one.id for one in buried.cut]) == ([(unbegun, "app:send")], [inline])
    told = {one: (record(history, one).state, record(history, one).reason) for one in (held, unbegun, inline)}
    assert told == {held: ("waiting", ""), unbegun: ("dropped", "never ran"), inline: ("failed", STOLEN)}
    assert list(journal.processes.present("web")) == []


def test_what_began_was_learned_is_known_and_happened_is_stored(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    ids = add(journal, web, *line_of(2))
    head, behind = taken_with(journal, runner, behind=1)
    child = enter(journal, "child")
    turn = Turn(
        runner,
        began=[Began(behind.id, behind.attempt, 3.5)],
        ended=[outcome(Unknown("app:send does not exist"), head, 2)],
        gone=[Gone(child, "killed")],
        learned=[Learned("app:other", "code", 2.0)],
        happened=[INCIDENT],
    )
    journal.turn(turn)
    assert [record(history, one).state for one in ids] == ["parked", "running"]
    assert history.summary(0.0).blockers == {"app:other": 2.0}
    assert [one.sentence for one in history.incidents()] == ["it left"]
    assert list(journal.processes.present("child")) == []
    (group,) = journal.tasks.parked()
    wanted = Wanted([(Lane.LOOP, NO_HOME)], {Lane.LOOP: 1})
    answers = journal.turn(Turn(runner, known=[Known(group, before=1e12)], wanted=[wanted]))
    assert [one.id for one in answers.taken[0].attempts] == ids[:1], "what is known again is claimed in the same turn"


def taken_with(journal: RunnersJournal, runner: int, behind: int) -> list[Claimed]:
    wanted = Wanted([(Lane.LOOP, NO_HOME)], {Lane.LOOP: 9}, behind)
    return sorted(journal.turn(Turn(runner, wanted=[wanted])).taken[0].attempts, key=lambda one: one.id)


def test_what_is_past_keeping_goes_in_a_turn(
    url: str, journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    ids = add(journal, web, *waiting(2))
    settle(journal, *map(done, claim(journal, runner)))
    keep = Retention(done=1e12, count=1, failed=1e12, beyond=journal.tasks.surplus(1))
    assert journal.turn(Turn(runner, keep=keep)).forgotten == 1
    assert [one.id for one in history.tasks()] == [shown(ids[1])]


def test_a_runner_forgets_nothing_because_the_clock_is_set_forth(url: str, journal: RunnersJournal, web: int) -> None:
    add(journal, web, *waiting(1))
    settle(journal, *map(done, claim(journal, web)))
    keep = Retention(done=100.0, count=9, failed=100.0)
    at(1e6)
    assert journal.turn(Turn(web, keep=keep)).forgotten == 0
    assert prune(url, keep, 1e6) == 1, "so late it is for whoever opens it now"


def test_a_store_that_does_not_know_the_runner_does_nothing_until_it_is_introduced(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    (task,) = add(journal, web, *waiting(1))
    (attempt,) = claim(journal, runner)
    with pytest.raises(NotIntroduced):
        journal.turn(Turn(runner, "another store", ended=[done(attempt)]))
    assert record(history, task).state == "running"
    lost = attempt._replace(id=IDS.next())
    child = (7, ProcessEntry("child", 2, "here", 1.0))
    introduction = Introduction([(runner, ProcessEntry("runner", 1, "here", 1.0)), child], [attempt, lost])
    answers = journal.turn(Turn(runner, "another store", introduction, ended=[done(attempt), done(lost)]))
    assert (answers.adopted, answers.settled) == (1, [task, lost.id])
    assert [one for one, _ in journal.processes.present("child")] == [7]
    assert journal.turn(Turn(runner, journal.file, ended=[done(attempt)])).settled == []


def test_a_turn_with_something_that_no_journal_takes_leaves_nothing(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    ids = add(journal, web, *waiting(2))
    first, second = claim(journal, runner)
    poison = Settlement(second.id, second.attempt, End.INTERRUPTED, State.WAITING, "cut", cuts=2**70)
    with pytest.raises(TaskRefused):
        journal.turn(Turn(runner, ended=[done(first), poison], happened=[INCIDENT]))
    assert [record(history, one).state for one in ids] == ["running", "running"]
    assert history.incidents() == []


def test_a_turn_is_timed_by_the_clock_of_the_store(url: str, history: History, web: int, runner: int) -> None:
    own = opened(url)
    (task,) = add(own, web, *waiting(1))
    at(77.0)
    (attempt,) = taken_with(own, runner, behind=0)
    own.turn(Turn(runner, ended=[done(attempt)]))
    own.close()
    assert (record(history, task).started_at, record(history, task).ended_at) == (77.0, 77.0)
