"""How far attempts have come, and where the next one goes on. Of every engine, by the fixtures of the one suite."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest

from outlast.errors import TaskRefused
from outlast.journal.read import History
from outlast.journal.turn import Introduction, Reached, RunnersJournal, Turn
from outlast.tasks.progress import Progress
from outlast.tasks.task import Claimed, End, Lane, Settlement, State
from tests.journal.test_contract import add, again, history, new_task, record, runner, url, web
from tests.support.turns import adopt, claim, claim_apart, done, opened, settle

__all__ = ["history", "runner", "url", "web"]
HALF = Progress(5, 10, "half").text()
VALUE = '{"value":5}'


@pytest.fixture
def journal(url: str) -> Iterator[RunnersJournal]:
    journal = opened(url)
    yield journal
    journal.close()


@pytest.fixture
def attempt(journal: RunnersJournal, web: int, runner: int) -> Claimed:
    """One that runs."""
    add(journal, web, new_task(State.WAITING))
    (one,) = claim(journal, runner)
    return one


def reach(journal: RunnersJournal, one: Claimed, progress: str | None = None, checkpoint: str | None = None) -> None:
    journal.turn(Turn(0, reached=[Reached(one.id, one.attempt, progress, checkpoint)]))


def test_progress_is_shown_until_the_next_attempt_begins(
    journal: RunnersJournal, history: History, attempt: Claimed, runner: int
) -> None:
    assert record(history, attempt.id).progress is None
    reach(journal, attempt, HALF)
    assert record(history, attempt.id).progress == Progress(5.0, 10.0, "half")
    settle(journal, again(attempt))
    assert record(history, attempt.id).progress == Progress(5.0, 10.0, "half")
    claim(journal, runner)
    assert record(history, attempt.id).progress is None


def test_each_attempt_gets_the_last_checkpoint_of_those_before(
    journal: RunnersJournal, attempt: Claimed, runner: int
) -> None:
    assert attempt.checkpoint is None
    reach(journal, attempt, checkpoint=VALUE)
    reach(journal, attempt, HALF)
    settle(journal, again(attempt))
    (second,) = claim(journal, runner)
    assert second.checkpoint == VALUE
    settle(journal, again(second))
    (third,) = claim(journal, runner)
    assert (third.attempt, third.checkpoint) == (3, VALUE)


def test_what_is_reached_is_written_before_the_end_in_the_same_turn(
    journal: RunnersJournal, history: History, attempt: Claimed, runner: int
) -> None:
    reached = Reached(attempt.id, attempt.attempt, HALF, VALUE)
    journal.turn(Turn(runner, reached=[reached], ended=[again(attempt)]))
    assert record(history, attempt.id).progress is not None
    (second,) = claim(journal, runner)
    assert second.checkpoint == VALUE


def test_a_late_attempt_overwrites_nothing(
    journal: RunnersJournal, history: History, attempt: Claimed, runner: int
) -> None:
    settle(journal, again(attempt))
    (second,) = claim(journal, runner)
    reach(journal, attempt, HALF, VALUE)
    assert record(history, attempt.id).progress is None
    settle(journal, again(second))
    reach(journal, second, HALF, VALUE)
    (third,) = claim(journal, runner)
    assert third.checkpoint is None


@pytest.mark.parametrize(("state", "kept"), [(State.FAILED, VALUE), (State.CANCELLED, VALUE), (State.DONE, None)])
def test_by_hand_what_was_not_done_goes_on_and_what_was_done_begins_anew(
    journal: RunnersJournal, attempt: Claimed, runner: int, state: State, kept: str | None
) -> None:
    reach(journal, attempt, checkpoint=VALUE)
    end = done(attempt) if state is State.DONE else Settlement(attempt.id, 1, End.ERROR, state, "it ended")
    settle(journal, end)
    with journal.transaction():
        journal.tasks.retry([attempt.id])
    (second,) = claim(journal, runner)
    assert second.checkpoint == kept


def test_it_comes_with_a_task_that_runs_alone_and_into_a_journal_that_did_not_know_it(
    journal: RunnersJournal, attempt: Claimed, runner: int
) -> None:
    reach(journal, attempt, checkpoint=VALUE)
    settle(journal, again(attempt)._replace(group_size=1))
    (second,) = claim_apart(journal, runner)
    assert second.checkpoint == VALUE
    unknown = second._replace(id=second.id + 1)
    assert adopt(journal, runner, [unknown]) == 1
    settle(journal, again(unknown))
    assert [(one.id, one.checkpoint) for one in claim_apart(journal, runner)] == [(unknown.id, VALUE)]


def test_what_cannot_be_stored_is_refused_for_itself(journal: RunnersJournal, attempt: Claimed) -> None:
    with pytest.raises(TaskRefused):
        reach(journal, attempt, checkpoint='"\0"')


def test_what_outlast_does_not_write_hides_nothing(
    url: str, journal: RunnersJournal, history: History, attempt: Claimed
) -> None:
    for odd in ("[", "[1]", '["a", null, ""]', '[1e999, null, ""]', "[" * 100_000, "5"):
        connection = apsw.Connection(url.removeprefix("sqlite:///"))
        connection.execute("UPDATE task SET progress = ? WHERE id = ?", (odd, attempt.id))
        connection.close()
        assert record(history, attempt.id).progress is None


def test_an_introduction_comes_before_what_its_attempts_have_reached(
    journal: RunnersJournal, history: History, attempt: Claimed, runner: int
) -> None:
    other = attempt._replace(id=attempt.id + 1, lane=Lane.THREAD)
    introduction = Introduction([], [other])
    reached = [Reached(other.id, other.attempt, HALF)]
    journal.turn(Turn(runner, introduction=introduction, reached=reached))
    assert record(history, other.id).progress is not None
