"""What every engine has to do. One suite; an engine joins by a line in ENGINES."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from outlast.deployments import NO_HOME
from outlast.engines import statements
from outlast.engines.contract import Drop, Journal, ProcessEntry, Retention
from outlast.engines.history import History, Record
from outlast.engines.sqlite import SqliteJournal
from outlast.errors import TaskNotFound, TaskRefused
from outlast.tasks import Claimed, End, Lane, NewTask, Settlement, State, TaskIds, Terms, shown

ENGINES: dict[str, Callable[[Path], SqliteJournal]] = {
    "sqlite": lambda folder: SqliteJournal(f"sqlite:///{folder}/journal.db"),
}
IDS = TaskIds()


@pytest.fixture(params=sorted(ENGINES))
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteJournal]:
    journal = ENGINES[request.param](tmp_path)
    yield journal
    journal.close()


@pytest.fixture
def web(journal: SqliteJournal) -> int:
    return enter(journal, "web")


@pytest.fixture
def runner(journal: SqliteJournal) -> int:
    return enter(journal, "runner")


def enter(journal: Journal, kind: str) -> int:
    with journal.transaction():
        return journal.enter(ProcessEntry(kind, 1234, "here", 1.0))


def new_task(state: State = State.HELD, lane: Lane = Lane.LOOP, follows: int | None = None) -> NewTask:
    return NewTask(IDS.next(), "app:send", '{"to":1}', lane, state, 1.0, "GET /", follows)


def add(journal: Journal, owner: int, *tasks: NewTask) -> list[int]:
    with journal.transaction():
        journal.add(tasks, owner)
    return [task.id for task in tasks]


def release(journal: Journal, ids: Sequence[int]) -> int:
    with journal.transaction():
        return journal.release(ids, 2.0)


def claim(journal: Journal, runner: int, lane: Lane = Lane.LOOP, limit: int = 10) -> list[Claimed]:
    with journal.transaction():
        return journal.claim(runner, lane, limit, 3.0)


def settle(journal: Journal, *settlements: Settlement) -> list[int]:
    with journal.transaction():
        return journal.settle(settlements, 4.0)


def done(one: Claimed) -> Settlement:
    return Settlement(one.id, one.attempt, End.DONE, State.DONE)


def again(one: Claimed) -> Settlement:
    return Settlement(one.id, one.attempt, End.INTERRUPTED, State.WAITING, "cut")


def record(journal: SqliteJournal, task: int) -> Record:
    return History(journal.path).task(shown(task))


def test_a_task_goes_from_held_to_done_and_every_move_is_an_event(
    journal: SqliteJournal, web: int, runner: int
) -> None:
    ids = add(journal, web, new_task())
    assert record(journal, ids[0]).state == "held"
    assert release(journal, ids) == 1
    (attempt,) = claim(journal, runner)
    assert (attempt.id, attempt.attempt, attempt.function, attempt.arguments) == (ids[0], 1, "app:send", '{"to":1}')
    assert settle(journal, done(attempt)) == ids
    found = record(journal, ids[0])
    assert (found.state, found.started_at, found.ended_at) == ("done", 3.0, 4.0)
    assert [(event.kind, event.at, event.attempt) for event in found.events] == [
        ("released", 2.0, 0),
        ("started", 3.0, 1),
        ("done", 4.0, 1),
    ]


def test_a_held_task_is_not_claimed(journal: SqliteJournal, web: int, runner: int) -> None:
    add(journal, web, new_task())
    assert claim(journal, runner) == []


def test_a_dropped_task_never_runs_and_says_why(journal: SqliteJournal, web: int, runner: int) -> None:
    ids = add(journal, web, new_task())
    with journal.transaction():
        assert journal.drop([Drop(ids[0], "its response was never sent")], 2.0) == ids
    assert release(journal, ids) == 0
    assert claim(journal, runner) == []
    assert (record(journal, ids[0]).state, record(journal, ids[0]).reason) == ("dropped", "its response was never sent")


def test_a_claim_takes_the_oldest_of_its_lane_and_no_more_than_asked(
    journal: SqliteJournal, web: int, runner: int
) -> None:
    ids = add(journal, web, *(new_task(State.WAITING) for _ in range(3)), new_task(State.WAITING, Lane.THREAD))
    assert [one.id for one in claim(journal, runner, limit=2)] == ids[:2]
    assert [one.id for one in claim(journal, runner, limit=9)] == ids[2:3]
    assert [one.id for one in claim(journal, runner, Lane.THREAD)] == ids[3:]


def test_due_names_the_lanes_with_something_to_claim(journal: SqliteJournal, web: int, runner: int) -> None:
    assert list(journal.due(9.0)) == []
    add(journal, web, new_task(State.WAITING, Lane.THREAD), new_task(State.HELD, Lane.LOOP))
    assert list(journal.due(9.0)) == [(Lane.THREAD, NO_HOME)]


def test_a_late_settle_never_overwrites_a_newer_attempt(journal: SqliteJournal, web: int, runner: int) -> None:
    add(journal, web, new_task(State.WAITING))
    (first,) = claim(journal, runner)
    settle(journal, again(first))
    (second,) = claim(journal, runner)
    assert second.attempt == 2
    assert settle(journal, done(first)) == []
    assert record(journal, first.id).state == "running"
    assert settle(journal, done(second)) == [second.id]
    assert settle(journal, done(second)) == [], "settled twice"


def test_crashes_are_counted_and_interruptions_are_not(journal: SqliteJournal, web: int, runner: int) -> None:
    add(journal, web, new_task(State.WAITING))
    (first,) = claim(journal, runner)
    settle(journal, Settlement(first.id, 1, End.CRASHED, State.WAITING, "SIGSEGV"))
    (second,) = claim(journal, runner)
    assert second.crashes == 1
    settle(journal, again(second))
    (third,) = claim(journal, runner)
    assert third.crashes == 1


def test_a_task_waits_for_the_one_it_follows(journal: SqliteJournal, web: int, runner: int) -> None:
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
    with journal.transaction():
        claimed = journal.claim(runner, Lane.LOOP, 10, 3.0, behind)
    return sorted(claimed, key=lambda one: one.id)


def test_what_follows_is_claimed_along_and_waits_to_people_until_it_begins(
    journal: SqliteJournal, web: int, runner: int
) -> None:
    ids = add(journal, web, *line_of(4))
    claimed = claim_line(journal, runner, behind=2)
    assert [(one.id, one.follows, one.begun) for one in claimed] == [
        (ids[0], None, True),
        (ids[1], ids[0], False),
        (ids[2], ids[1], False),
    ]
    assert [record(journal, one).state for one in ids] == ["running", "waiting", "waiting", "waiting"]
    assert record(journal, ids[1]).attempt == 0
    with journal.transaction():
        journal.began([(ids[1], 1, 3.5)])
        journal.settle([done(claimed[0])], 4.0)
    second = record(journal, ids[1])
    assert (second.state, second.attempt, second.started_at, second.follows) == ("running", 1, 3.5, "")
    assert [(event.kind, event.at) for event in second.events] == [("started", 3.5)]
    assert settle(journal, done(claimed[1]), done(claimed[2])) == ids[1:3]
    assert [one.id for one in claim_line(journal, runner)] == ids[3:]


def test_what_is_given_back_without_having_begun_waits_behind_the_one_before(
    journal: SqliteJournal, web: int, runner: int
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
    journal: SqliteJournal, web: int, runner: int, state: str
) -> None:
    ids = add(journal, web, *line_of(3))
    claimed = claim_line(journal, runner, behind=0 if state == "waiting" else 1)
    with journal.transaction():
        assert journal.cancel([ids[1]], 3.5) == {ids[1]: True}
    if state != "waiting":
        settle(journal, Settlement(ids[1], 1, End.CANCELLED, State.CANCELLED))
    assert record(journal, ids[1]).state == "cancelled"
    assert claim(journal, runner) == [], "the first one has not ended"
    settle(journal, done(claimed[0]))
    assert [one.id for one in claim(journal, runner)] == [ids[2]]


@pytest.mark.parametrize("odd", ["harm", "large", "alone", "held"])
def test_a_line_that_is_claimed_ends_before_what_is_not_plain(
    journal: SqliteJournal, web: int, runner: int, odd: str
) -> None:
    line = line_of(5)
    changed = {
        "harm": line[2],
        "large": replace(line[2], arguments='"' + "x" * 20_000 + '"'),
        "alone": replace(line[2], terms=Terms(company=1)),
        "held": replace(line[2], state=State.HELD),
    }
    ids = add(journal, web, *line[:2], changed[odd], *line[3:])
    if odd == "harm":
        with journal.transaction():
            journal._opened().execute("UPDATE task SET crashes = 1 WHERE id = ?", (ids[2],))
    assert [one.id for one in claim_line(journal, runner)] == ids[:2]


def test_nothing_is_claimed_along_with_what_was_there_when_everything_went_down(
    journal: SqliteJournal, web: int, runner: int
) -> None:
    ids = add(journal, web, *line_of(2))
    settle(journal, *(replace(again(one), cuts=int(one.begun)) for one in claim_line(journal, runner)))
    assert [one.id for one in claim_line(journal, runner)] == ids[:1]


@pytest.mark.parametrize("released_first", [True, False])
def test_a_task_behind_a_dropped_one_runs(journal: SqliteJournal, web: int, runner: int, released_first: bool) -> None:
    first = new_task()
    second = new_task(follows=first.id)
    add(journal, web, first, second)
    with journal.transaction():
        if released_first:
            journal.release([second.id], 2.0)
        journal.drop([Drop(first.id, "why")], 2.0)
        journal.release([second.id], 2.0)
    assert [one.id for one in claim(journal, runner)] == [second.id]


def test_a_task_that_follows_an_ended_one_follows_nobody(journal: SqliteJournal, web: int, runner: int) -> None:
    first = new_task(State.WAITING)
    add(journal, web, first)
    settle(journal, *map(done, claim(journal, runner)))
    second = new_task(State.WAITING, follows=first.id)
    add(journal, web, second)
    assert [one.id for one in claim(journal, runner)] == [second.id]


def test_an_inline_task_begins_and_ends_in_its_web_worker(journal: SqliteJournal, web: int, runner: int) -> None:
    ids = add(journal, web, new_task(lane=Lane.INLINE))
    with journal.transaction():
        assert journal.begin(ids, web, 2.0) == ids
        assert journal.begin(ids, web, 2.0) == []
    assert [one.id for one in journal.running_of(web)] == ids
    assert settle(journal, Settlement(ids[0], 1, End.DONE, State.DONE)) == ids


def test_what_a_process_holds_and_runs_is_known_after_its_death(journal: SqliteJournal, web: int, runner: int) -> None:
    held = add(journal, web, new_task(), new_task(lane=Lane.INLINE))
    waiting = add(journal, web, new_task(State.WAITING))
    claim(journal, runner)
    assert sorted(journal.held_of(web)) == [(held[0], Lane.LOOP, "app:send"), (held[1], Lane.INLINE, "app:send")]
    assert [one.id for one in journal.running_of(runner)] == waiting
    assert list(journal.running_of(web)) == []


def test_processes_enter_once_and_leave_once(journal: SqliteJournal, web: int, runner: int) -> None:
    assert web != runner
    assert list(journal.present("web")) == [(web, 1234)]
    with journal.transaction():
        journal.leave(web, "gone", 2.0)
    assert list(journal.present("web")) == []
    assert enter(journal, "web") not in {web, runner}, "an id is never used again"


def test_an_id_that_is_taken_is_refused_and_the_first_task_stays(journal: SqliteJournal, web: int) -> None:
    task = new_task()
    add(journal, web, task)
    with pytest.raises(TaskRefused):
        add(journal, web, new_task(), task)
    with journal.transaction():
        assert journal.unfinished() == 1, "the other task of the refused transaction is not stored either"


def test_a_transaction_that_fails_leaves_nothing(journal: SqliteJournal, web: int) -> None:
    task = new_task()
    with pytest.raises(KeyError), journal.transaction():
        journal.add([task], web)
        raise KeyError
    with pytest.raises(TaskNotFound):
        record(journal, task.id)


def test_what_is_committed_is_there_after_reopening(journal: SqliteJournal, web: int) -> None:
    ids = add(journal, web, new_task())
    journal.close()
    with journal.transaction():
        assert journal.unfinished() == 1
    assert release(journal, ids) == 1


def test_finished_tasks_are_forgotten_when_they_are_past_keeping(journal: SqliteJournal, web: int, runner: int) -> None:
    ids = add(journal, web, *(new_task(State.WAITING) for _ in range(3)))
    first, second, third = claim(journal, runner)
    settle(journal, done(first), Settlement(second.id, 1, End.ERROR, State.FAILED, "boom"))
    assert prune(journal, Retention(done=100, count=10, failed=100), now=50) == 0, "nothing is old yet"
    assert prune(journal, Retention(done=10, count=10, failed=100), now=50) == 1
    with pytest.raises(TaskNotFound):
        record(journal, first.id)
    assert prune(journal, Retention(done=10, count=10, failed=10), now=50) == 1
    assert [one.id for one in journal.running_of(runner)] == [third.id], "what is not finished is never forgotten"
    assert ids[2] == third.id


def test_only_the_newest_done_tasks_are_kept(journal: SqliteJournal, web: int, runner: int) -> None:
    ids = add(journal, web, *(new_task(State.WAITING) for _ in range(5)))
    settle(journal, *map(done, claim(journal, runner)))
    assert prune(journal, Retention(done=1000, count=2, failed=1000), now=5) == 3
    assert [one.id for one in History(journal.path).tasks()] == [shown(one) for one in reversed(ids[3:])]


def prune(journal: Journal, keep: Retention, now: float) -> int:
    with journal.transaction():
        return journal.prune(keep, 100, now, journal.surplus(keep.count))


def test_a_slice_of_pruning_takes_the_oldest_and_their_events(journal: SqliteJournal, web: int, runner: int) -> None:
    ids = add(journal, web, *(new_task(State.WAITING) for _ in range(3)))
    for now, claimed in enumerate(claim(journal, runner)):
        with journal.transaction():
            journal.settle([done(claimed)], float(now))
    with journal.transaction():
        assert journal.prune(Retention(done=0.0, count=10, failed=0.0), 2, 10.0) == 2
    assert [one.id for one in History(journal.path).tasks()] == [shown(ids[2])]
    with journal.transaction():
        tasks = {task for (task,) in journal._opened().execute("SELECT task FROM event")}
    assert tasks == {ids[2]}


@pytest.mark.parametrize("statement", ["PRUNE", "PRUNE_EVENTS", "PRUNE_INCIDENTS", "PRUNE_PROCESSES", "SURPLUS"])
def test_what_is_past_keeping_is_found_by_an_index(journal: SqliteJournal, statement: str) -> None:
    query = getattr(statements, statement)
    bindings = {"PRUNE": (0, 0, 0, 1), "PRUNE_EVENTS": ("[]",), "SURPLUS": (1,)}.get(statement, (0, 1))
    with journal.transaction():
        plan = [str(row[-1]) for row in journal._opened().execute(f"EXPLAIN QUERY PLAN {query}", bindings)]
    scans = [step for step in plan if step.startswith("SCAN") and "json" not in step]
    assert all("COVERING INDEX" in step for step in scans), plan
    assert not [step for step in plan if "TEMP B-TREE" in step]


def test_processes_that_have_ended_long_ago_are_forgotten(journal: SqliteJournal, web: int, runner: int) -> None:
    with journal.transaction():
        journal.leave(web, "gone", 10.0)
    assert prune(journal, Retention(done=100, count=10, failed=100), now=100) == 0
    assert prune(journal, Retention(done=100, count=10, failed=100), now=111) == 1
    with journal.transaction():
        assert journal.present("runner"), "who is there is never forgotten"
        assert journal.enter(ProcessEntry("web", 1, "machine", 1.0)) > max(web, runner), "no number is given twice"


def test_what_was_learned_is_forgotten_when_it_is_not_seen_for_long(journal: SqliteJournal, web: int) -> None:
    keep, days = Retention(done=1, count=10, failed=1), 86_400.0
    with journal.transaction():
        journal.learn("app:send", "code", 1.0, 0.0)
    prune(journal, keep, now=89 * days)
    assert len(History(journal.path).summary(0.0).blockers) == 1
    prune(journal, keep, now=91 * days)
    assert History(journal.path).summary(0.0).blockers == {}


def test_a_task_of_what_was_learned_keeps_it_known(journal: SqliteJournal, web: int, runner: int) -> None:
    keep, days = Retention(done=1, count=10, failed=1), 86_400.0
    with journal.transaction():
        journal.learn("app:send", "code", 1.0, 0.0)
        journal.add([replace(new_task(State.WAITING), code="code")], web)
        assert journal.claim_company(runner, 50 * days)
    prune(journal, keep, now=91 * days)
    assert len(History(journal.path).summary(0.0).blockers) == 1


def test_what_waits_is_set_apart_once_for_a_function_and_its_code(journal: SqliteJournal, web: int) -> None:
    add(journal, web, new_task(State.WAITING))
    assert [rows_changed_by_learning(journal, "code") for _ in range(3)] == [2, 1, 1]
    add(journal, web, new_task(State.WAITING))
    assert rows_changed_by_learning(journal, "other code") == 2, "what is known of it, and the task that waits"


def rows_changed_by_learning(journal: SqliteJournal, code: str) -> int:
    with journal.transaction():
        before = journal._opened().total_changes()
        journal.learn("app:send", code, 1.0, 0.0)
        return journal._opened().total_changes() - before


def test_the_id_of_a_process_whose_transaction_failed_is_never_anothers(journal: SqliteJournal) -> None:
    drawn = []
    with pytest.raises(KeyError), journal.transaction():
        drawn.append(journal.enter(ProcessEntry("web", 1, "here", 1.0)))
        raise KeyError
    assert enter(journal, "web") not in drawn
    with journal.transaction():
        assert journal.enter(ProcessEntry("web", 1, "here", 1.0), drawn[0]) == drawn[0], "it can still come with it"


def test_who_ran_twice_when_everything_went_down_is_claimed_as_a_suspect_only(
    journal: SqliteJournal, runner: int
) -> None:
    (task,) = add(journal, runner, new_task(State.WAITING))
    for company in (None, 1):
        assert not journal.has_suspect(5.0)
        (attempt,) = claim(journal, runner)
        settle(journal, replace(again(attempt), company=company, cuts=1))
    assert journal.has_suspect(5.0)
    with journal.transaction():
        assert journal.claim_company(runner, 5.0) == []
        assert [one.id for one in journal.claim_company(runner, 5.0, suspects=True)] == [task]


def test_the_context_of_a_task_is_handed_over_with_its_attempts(journal: SqliteJournal, web: int, runner: int) -> None:
    context = '{"main:tenant":{"value":"acme"}}'
    head = replace(new_task(), context=context)
    ids = add(journal, web, head, replace(new_task(follows=head.id), context=context), new_task())
    assert record(journal, ids[0]).context == context
    release(journal, ids)
    with journal.transaction():
        attempts = journal.claim(runner, Lane.LOOP, 10, 3.0, behind=10)
    assert {one.id: one.context for one in attempts} == dict(zip(ids, [context, context, None], strict=True))
    settle(journal, replace(again(attempts[0])))
    (adopted,) = [one for one in claim(journal, runner) if one.id == attempts[0].id]
    assert adopted.context == context


def test_a_task_that_is_adopted_keeps_its_context(journal: SqliteJournal, runner: int) -> None:
    attempt = Claimed(IDS.next(), 1, 0, 0, "app:send", "{}", Lane.LOOP, context='{"main:tenant":{"value":"acme"}}')
    with journal.transaction():
        journal.adopt([attempt], runner, 3.0)
        assert [one.context for one in journal.running_of(runner)] == [attempt.context]
