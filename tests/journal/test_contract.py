"""What every engine has to do. One suite; an engine joins by a line in ENGINES, and is read through the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from outlast.errors import JournalMissing, TaskNotFound, TaskRefused
from outlast.ids import shown
from outlast.journal.contract import Drop, ProcessEntry
from outlast.journal.engines import open_history, open_journal
from outlast.journal.read import History, Record
from outlast.journal.turn import Burial, Retention, Turn
from outlast.journal.turn import RunnersJournal as Journal
from outlast.system.deployment import NO_HOME
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import Claimed, End, Lane, NewTask, Settlement, State, TaskOptions
from tests.support.turns import adopt, at, began, claim, claim_apart, done, learn, leave, opened, prune, settle

ENGINES: dict[str, Callable[[Path], str]] = {
    # the url of an empty journal for one test
    "file": lambda folder: f"sqlite:///{folder}/journal.db",
}
IDS = TaskIds()


@pytest.fixture(params=sorted(ENGINES))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return ENGINES[request.param](tmp_path)


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    journal = opened(url)
    yield journal
    journal.close()


@pytest.fixture
def history(url: str, journal: Journal) -> History:
    journal.open()
    return open_history(url)


@pytest.fixture
def web(journal: Journal) -> int:
    return enter(journal, "web")


@pytest.fixture
def runner(journal: Journal) -> int:
    return enter(journal, "runner")


def enter(journal: Journal, kind: str) -> int:
    with journal.transaction():
        return journal.processes.enter(ProcessEntry(kind, 1234, "here", 1.0))


def new_task(state: State = State.HELD, lane: Lane = Lane.LOOP, follows: int | None = None) -> NewTask:
    return NewTask(IDS.next(), "app:send", '{"to":1}', lane, state, 1.0, "GET /", follows)


def add(journal: Journal, owner: int, *tasks: NewTask) -> list[int]:
    with journal.transaction():
        journal.tasks.add(tasks, owner)
    return [task.id for task in tasks]


def release(journal: Journal, ids: Sequence[int]) -> int:
    at(2.0)
    with journal.transaction():
        return journal.tasks.release(ids)


def again(one: Claimed) -> Settlement:
    return Settlement(one.id, one.attempt, End.INTERRUPTED, State.WAITING, "cut")


def record(history: History, task: int) -> Record:
    return history.task(shown(task))


def test_a_task_goes_from_held_to_done_and_every_move_is_an_event(
    journal: Journal,
    history: History,
    web: int,
    runner: int,
) -> None:
    ids = add(journal, web, new_task())
    assert record(history, ids[0]).state == "held"
    assert release(journal, ids) == 1
    (attempt,) = claim(journal, runner)
    assert (attempt.id, attempt.attempt, attempt.function, attempt.arguments) == (ids[0], 1, "app:send", '{"to":1}')
    assert settle(journal, done(attempt)) == ids
    found = record(history, ids[0])
    assert (found.state, found.started_at, found.ended_at) == ("done", 3.0, 4.0)
    assert [(event.kind, event.at, event.attempt) for event in found.events] == [
        ("released", 2.0, 0),
        ("started", 3.0, 1),
        ("done", 4.0, 1),
    ]


def test_the_story_of_a_task_is_told_in_its_order_whatever_happens_to_it(
    journal: Journal, history: History, web: int, runner: int
) -> None:
    (task,) = ids = add(journal, web, new_task())
    release(journal, ids)
    (first,) = claim(journal, runner)
    settle(journal, again(first))
    (second,) = claim(journal, runner)
    with journal.transaction():
        journal.tasks.cancel(ids)
    settle(journal, done(second))
    with journal.transaction():
        journal.tasks.retry(ids)
    assert claim(journal, runner)
    settle(journal, Settlement(task, 3, End.ERROR, State.FAILED, "boom", "trace"))
    with journal.transaction():
        journal.tasks.retry(ids)
    assert [(event.kind, event.attempt) for event in record(history, task).events] == [
        ("released", 0),
        ("started", 1),
        ("interrupted", 1),
        ("started", 2),
        ("cancelling", 2),
        ("done", 2),
        ("retried", 2),
        ("started", 3),
        ("error", 3),
        ("retried", 3),
    ]


def test_a_held_task_is_not_claimed(journal: Journal, web: int, runner: int) -> None:
    add(journal, web, new_task())
    assert claim(journal, runner) == []


def test_a_dropped_task_never_runs_and_says_why(journal: Journal, history: History, web: int, runner: int) -> None:
    ids = add(journal, web, new_task())
    with journal.transaction():
        assert journal.tasks.drop([Drop(ids[0], "its response was never sent")]) == ids
    assert release(journal, ids) == 0
    assert claim(journal, runner) == []
    assert (record(history, ids[0]).state, record(history, ids[0]).reason) == ("dropped", "its response was never sent")


def test_a_claim_takes_the_oldest_of_its_lane_and_no_more_than_asked(journal: Journal, web: int, runner: int) -> None:
    ids = add(journal, web, *(new_task(State.WAITING) for _ in range(3)), new_task(State.WAITING, Lane.THREAD))
    assert [one.id for one in claim(journal, runner, limit=2)] == ids[:2]
    assert [one.id for one in claim(journal, runner, limit=9)] == ids[2:3]
    assert [one.id for one in claim(journal, runner, Lane.THREAD)] == ids[3:]


def test_due_names_the_lanes_with_something_to_claim(journal: Journal, web: int, runner: int) -> None:
    assert list(journal.attempts.due()) == []
    add(journal, web, new_task(State.WAITING, Lane.THREAD), new_task(State.HELD, Lane.LOOP))
    assert list(journal.attempts.due()) == [(Lane.THREAD, NO_HOME)]
    assert [lane for lane in Lane if journal.attempts.is_waiting(lane)] == [Lane.THREAD]


def test_a_late_settle_never_overwrites_a_newer_attempt(
    journal: Journal, history: History, web: int, runner: int
) -> None:
    add(journal, web, new_task(State.WAITING))
    (first,) = claim(journal, runner)
    settle(journal, again(first))
    (second,) = claim(journal, runner)
    assert second.attempt == 2
    assert settle(journal, done(first)) == []
    assert record(history, first.id).state == "running"
    assert settle(journal, done(second)) == [second.id]
    assert settle(journal, done(second)) == [], "settled twice"


def test_crashes_are_counted_and_interruptions_are_not(journal: Journal, web: int, runner: int) -> None:
    add(journal, web, new_task(State.WAITING))
    (first,) = claim(journal, runner)
    settle(journal, Settlement(first.id, 1, End.CRASHED, State.WAITING, "SIGSEGV"))
    (second,) = claim(journal, runner)
    assert second.crashes == 1
    settle(journal, again(second))
    (third,) = claim(journal, runner)
    assert third.crashes == 1


def test_a_task_waits_for_the_one_it_follows(journal: Journal, web: int, runner: int) -> None:
    first = new_task(State.WAITING)
    second = new_task(State.WAITING, follows=first.id)
    add(journal, web, first, second)
    (attempt,) = claim(journal, runner)
    assert claim(journal, runner) == []
    settle(journal, again(attempt))
    (attempt,) = claim(journal, runner)
    assert attempt.id == first.id, "the one behind must wait while the first runs again"
    settle(journal, Settlement(attempt.id, attempt.attempt, End.ERROR, State.FAILED, "boom"))
    assert [one.id for one in claim(journal, runner)] == [second.id], "a failure does not drop the rest"


def line_of(count: int, lane: Lane = Lane.LOOP) -> list[NewTask]:
    """Tasks of one response, each behind the one before."""
    line = [new_task(State.WAITING, lane)]
    while len(line) < count:
        line.append(new_task(State.WAITING, lane, follows=line[-1].id))
    return line


def claim_line(journal: Journal, runner: int, behind: int = 99) -> list[Claimed]:
    return sorted(claim(journal, runner, behind=behind), key=lambda one: one.id)


def test_what_follows_is_claimed_along_and_waits_to_people_until_it_begins(
    journal: Journal,
    history: History,
    web: int,
    runner: int,
) -> None:
    ids = add(journal, web, *line_of(4))
    claimed = claim_line(journal, runner, behind=2)
    assert [(one.id, one.follows, one.begun) for one in claimed] == [
        (ids[0], None, True),
        (ids[1], ids[0], False),
        (ids[2], ids[1], False),
    ]
    assert [record(history, one).state for one in ids] == ["running", "waiting", "waiting", "waiting"]
    assert record(history, ids[1]).attempt == 0
    began(journal, ids[1], 1, 3.5)
    settle(journal, done(claimed[0]))
    second = record(history, ids[1])
    assert (second.state, second.attempt, second.started_at, second.follows) == ("running", 1, 3.5, "")
    assert [(event.kind, event.at) for event in second.events] == [("started", 3.5)]
    assert settle(journal, done(claimed[1]), done(claimed[2])) == ids[1:3]
    assert [one.id for one in claim_line(journal, runner)] == ids[3:]


def test_what_is_given_back_without_having_begun_waits_behind_the_one_before(
    journal: Journal, web: int, runner: int
) -> None:
    ids = add(journal, web, *line_of(3))
    claimed = claim_line(journal, runner)
    settle(journal, *map(again, reversed(claimed)))
    for task in ids:
        (attempt,) = claim(journal, runner)
        assert (attempt.id, attempt.attempt) == (task, 2), "the first that was claimed is the first to run again"
        settle(journal, done(attempt))


@pytest.mark.parametrize("state", ["waiting", "claimed along"])
def test_a_cancelled_task_lets_nobody_overtake_the_one_before_it(
    journal: Journal,
    history: History,
    web: int,
    runner: int,
    state: str,
) -> None:
    ids = add(journal, web, *line_of(3))
    claimed = claim_line(journal, runner, behind=0 if state == "waiting" else 1)
    with journal.transaction():
        assert journal.tasks.cancel([ids[1]]) == {ids[1]: True}
    if state != "waiting":
        settle(journal, Settlement(ids[1], 1, End.CANCELLED, State.CANCELLED))
    assert record(history, ids[1]).state == "cancelled"
    assert claim(journal, runner) == [], "the first one has not ended"
    settle(journal, done(claimed[0]))
    assert [one.id for one in claim(journal, runner)] == [ids[2]]


@pytest.mark.parametrize("odd", ["harm", "large", "alone", "held"])
def test_a_line_that_is_claimed_ends_before_what_is_not_plain(
    journal: Journal, web: int, runner: int, odd: str
) -> None:
    line = line_of(5)
    changed = {
        "harm": line[2],
        "large": line[2]._replace(arguments='"' + "x" * 20_000 + '"'),
        "alone": line[2]._replace(options=TaskOptions(group_size=1)),
        "held": line[2]._replace(state=State.HELD),
    }
    ids = add(journal, web, *line[:2], changed[odd], *line[3:])
    if odd == "harm":
        claimed = claim_line(journal, runner)
        began(journal, ids[2], 1, 3.5)
        crashed = Settlement(ids[2], 1, End.CRASHED, State.WAITING, "SIGSEGV")
        settle(journal, *(crashed if one.id == ids[2] else again(one) for one in reversed(claimed)))
    assert [one.id for one in claim_line(journal, runner)] == ids[:2]


def test_nothing_is_claimed_along_with_what_was_there_when_everything_went_down(
    journal: Journal, web: int, runner: int
) -> None:
    ids = add(journal, web, *line_of(2))
    settle(journal, *(again(one)._replace(cuts=int(one.begun)) for one in claim_line(journal, runner)))
    assert [one.id for one in claim_line(journal, runner)] == ids[:1]


@pytest.mark.parametrize("released_first", [True, False])
def test_a_task_behind_a_dropped_one_runs(journal: Journal, web: int, runner: int, released_first: bool) -> None:
    first = new_task()
    second = new_task(follows=first.id)
    add(journal, web, first, second)
    with journal.transaction():
        if released_first:
            journal.tasks.release([second.id])
        journal.tasks.drop([Drop(first.id, "why")])
        journal.tasks.release([second.id])
    assert [one.id for one in claim(journal, runner)] == [second.id]


def test_a_task_that_follows_an_ended_one_follows_nobody(journal: Journal, web: int, runner: int) -> None:
    first = new_task(State.WAITING)
    add(journal, web, first)
    settle(journal, *map(done, claim(journal, runner)))
    second = new_task(State.WAITING, follows=first.id)
    add(journal, web, second)
    assert [one.id for one in claim(journal, runner)] == [second.id]


def test_an_inline_task_begins_and_ends_in_its_web_worker(journal: Journal, web: int, runner: int) -> None:
    ids = add(journal, web, new_task(lane=Lane.INLINE))
    with journal.transaction():
        assert journal.attempts.begin(ids, web) == ids
        assert journal.attempts.begin(ids, web) == []
    assert [one.id for one in journal.attempts.running_of(web)] == ids
    assert settle(journal, Settlement(ids[0], 1, End.DONE, State.DONE)) == ids


def test_what_a_process_holds_and_runs_is_known_after_its_death(journal: Journal, web: int, runner: int) -> None:
    held = add(journal, web, new_task(), new_task(lane=Lane.INLINE))
    waiting = add(journal, web, new_task(State.WAITING))
    claim(journal, runner)
    assert [one.id for one in journal.attempts.running_of(runner)] == waiting
    assert list(journal.attempts.running_of(web)) == []
    (left,) = journal.turn(Turn(runner, burials=[Burial(web, "never ran", "cut")])).buried
    assert (list(left.never_ran), list(left.cut)) == ([(held[1], "app:send")], [])
    assert [one.id for one in claim(journal, runner)] == held[:1]


def test_processes_enter_once_and_leave_once(journal: Journal, web: int, runner: int) -> None:
    assert web != runner
    assert list(journal.processes.present("web")) == [(web, 1234)]
    leave(journal, web, "gone", 2.0)
    assert list(journal.processes.present("web")) == []
    assert enter(journal, "web") not in {web, runner}, "an id is never used again"


def test_processes_of_another_machine_are_counted_and_are_not_among_those_to_be_judged_here(
    url: str, journal: Journal, history: History, web: int
) -> None:
    another = open_journal(url, machine="another")
    with another.transaction():
        there = another.processes.enter(ProcessEntry("web", 1234, "its host", 1.0))
    assert list(journal.processes.present("web")) == [(web, 1234)]
    assert list(another.processes.present("web")) == [(there, 1234)]
    summary = history.summary(2.0)
    assert ([one.id for one in summary.processes], summary.elsewhere) == ([web], {"its host": 1})
    leave(another, there, "left", 3.0)
    another.close()
    assert history.summary(3.0).elsewhere == {}


def test_an_id_that_is_taken_is_refused_and_the_first_task_stays(journal: Journal, web: int) -> None:
    task = new_task()
    add(journal, web, task)
    with pytest.raises(TaskRefused):
        add(journal, web, new_task(), task)
    with journal.transaction():
        assert journal.tasks.unfinished() == 1, "the other task of the refused transaction is not stored either"


def test_a_transaction_that_fails_leaves_nothing(journal: Journal, history: History, web: int) -> None:
    task = new_task()
    with pytest.raises(KeyError), journal.transaction():
        journal.tasks.add([task], web)
        raise KeyError
    with pytest.raises(TaskNotFound):
        record(history, task.id)


def test_what_is_committed_is_there_after_reopening(journal: Journal, web: int) -> None:
    ids = add(journal, web, new_task())
    journal.close()
    with journal.transaction():
        assert journal.tasks.unfinished() == 1
    assert release(journal, ids) == 1


def test_finished_tasks_are_forgotten_when_they_are_past_keeping(
    url: str, journal: Journal, history: History, web: int, runner: int
) -> None:
    ids = add(journal, web, *(new_task(State.WAITING) for _ in range(3)))
    first, second, third = claim(journal, runner)
    settle(journal, done(first), Settlement(second.id, 1, End.ERROR, State.FAILED, "boom"))
    assert prune(url, Retention(done=100, count=10, failed=100), now=50) == 0, "nothing is old yet"
    assert prune(url, Retention(done=10, count=10, failed=100), now=50) == 1
    with pytest.raises(TaskNotFound):
        record(history, first.id)
    assert prune(url, Retention(done=10, count=10, failed=10), now=50) == 1
    assert [one.id for one in journal.attempts.running_of(runner)] == [third.id], (
        "what is not finished is never forgotten"
    )
    assert ids[2] == third.id


def test_only_the_newest_done_tasks_are_kept(
    url: str, journal: Journal, history: History, web: int, runner: int
) -> None:
    ids = add(journal, web, *(new_task(State.WAITING) for _ in range(5)))
    settle(journal, *map(done, claim(journal, runner)))
    assert prune(url, Retention(done=1000, count=2, failed=1000, beyond=journal.tasks.surplus(2)), now=5) == 3
    assert [one.id for one in history.tasks()] == [shown(one) for one in reversed(ids[3:])]


def test_a_slice_of_pruning_takes_the_oldest(
    url: str, journal: Journal, history: History, web: int, runner: int
) -> None:
    ids = add(journal, web, *(new_task(State.WAITING) for _ in range(3)))
    for now, claimed in enumerate(claim(journal, runner)):
        settle(journal, done(claimed), now=float(now))
    assert prune(url, Retention(done=0.0, count=10, failed=0.0, most=2), 10.0) == 2
    assert [one.id for one in history.tasks()] == [shown(ids[2])]


def test_processes_that_have_ended_long_ago_are_forgotten(url: str, journal: Journal, web: int, runner: int) -> None:
    leave(journal, web, "gone", 10.0)
    assert prune(url, Retention(done=100, count=10, failed=100), now=100) == 0
    assert prune(url, Retention(done=100, count=10, failed=100), now=111) == 1
    with journal.transaction():
        assert journal.processes.present("runner"), "who is there is never forgotten"
        assert journal.processes.enter(ProcessEntry("web", 1, "machine", 1.0)) > max(web, runner), (
            "no number is given twice"
        )


def test_what_was_learned_is_forgotten_when_it_is_not_seen_for_long(
    url: str, journal: Journal, history: History
) -> None:
    keep, days = Retention(done=1, count=10, failed=1), 86_400.0
    learn(journal, "app:send", "code")
    prune(url, keep, now=89 * days)
    assert len(history.summary(0.0).blockers) == 1
    prune(url, keep, now=91 * days)
    assert history.summary(0.0).blockers == {}


def test_a_task_of_what_was_learned_keeps_it_known(
    url: str, journal: Journal, history: History, web: int, runner: int
) -> None:
    keep, days = Retention(done=1, count=10, failed=1), 86_400.0
    learn(journal, "app:send", "code")
    add(journal, web, new_task(State.WAITING)._replace(code="code"))
    at(50 * days)
    assert claim_apart(journal, runner)
    prune(url, keep, now=91 * days)
    assert len(history.summary(0.0).blockers) == 1


def test_the_id_of_a_process_whose_transaction_failed_is_never_anothers(journal: Journal) -> None:
    drawn = []
    with pytest.raises(KeyError), journal.transaction():
        drawn.append(journal.processes.enter(ProcessEntry("web", 1, "here", 1.0)))
        raise KeyError
    assert enter(journal, "web") not in drawn
    with journal.transaction():
        assert journal.processes.enter(ProcessEntry("web", 1, "here", 1.0), drawn[0]) == drawn[0], (
            "it can still come with it"
        )


def test_who_ran_twice_when_everything_went_down_is_claimed_as_a_suspect_only(journal: Journal, runner: int) -> None:
    (task,) = add(journal, runner, new_task(State.WAITING))
    for group_size in (None, 1):
        assert not journal.attempts.has_suspect()
        (attempt,) = claim(journal, runner)
        settle(journal, again(attempt)._replace(group_size=group_size, cuts=1))
    assert journal.attempts.has_suspect()
    assert claim_apart(journal, runner) == []
    assert [one.id for one in claim_apart(journal, runner, suspects=True)] == [task]


def test_the_context_of_a_task_is_handed_over_with_its_attempts(
    journal: Journal, history: History, web: int, runner: int
) -> None:
    context = '{"main:tenant":{"value":"acme"}}'
    head = new_task()._replace(context=context)
    ids = add(journal, web, head, new_task(follows=head.id)._replace(context=context), new_task())
    assert record(history, ids[0]).context == context
    release(journal, ids)
    attempts = claim(journal, runner, behind=10)
    assert {one.id: one.context for one in attempts} == dict(zip(ids, [context, context, None], strict=True))
    settle(journal, again(attempts[0])._replace())
    (adopted,) = [one for one in claim(journal, runner) if one.id == attempts[0].id]
    assert adopted.context == context


def test_a_task_that_is_adopted_keeps_its_context(journal: Journal, runner: int) -> None:
    attempt = Claimed(IDS.next(), 1, 0, 0, "app:send", "{}", Lane.LOOP, context='{"main:tenant":{"value":"acme"}}')
    adopt(journal, runner, [attempt])
    assert [one.context for one in journal.attempts.running_of(runner)] == [attempt.context]


def test_a_journal_that_nobody_has_made_is_missing_and_is_not_made_by_a_look(url: str) -> None:
    for _ in range(2):
        with pytest.raises(JournalMissing):
            open_history(url)
