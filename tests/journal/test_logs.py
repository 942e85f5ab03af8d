"""What attempts print and log in a journal: kept of those that run, bounded, gone with their tasks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from outlast.ids import shown
from outlast.journal.engines import open_log_reader
from outlast.journal.read import History, Mark
from outlast.journal.turn import Reached, Retention, RunnersJournal, Turn
from outlast.tasks.log import ATTEMPTS_KEPT, TaskLog
from outlast.tasks.task import Claimed, State
from tests.journal.test_contract import add, again, history, new_task, runner, url, web
from tests.support.turns import claim, done, opened, prune, settle

__all__ = ["history", "runner", "url", "web"]


@pytest.fixture
def journal(url: str) -> Iterator[RunnersJournal]:
    journal = opened(url)
    yield journal
    journal.close()


def prints(journal: RunnersJournal, one: Claimed, text: str, most: int = 100) -> None:
    journal.turn(Turn(0, reached=[Reached(one.id, one.attempt, log=TaskLog(text, 0, most))]))


def logs(history: History, task: int) -> list[tuple[int, str, int]]:
    return [(one.attempt, one.text, one.left_out) for one in history.logs_of(shown(task))]


def test_each_attempt_has_its_own_and_a_late_one_adds_nothing(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    (task,) = add(journal, web, new_task(State.WAITING))
    (first,) = claim(journal, runner)
    prints(journal, first, "one\n")
    prints(journal, first, "two\n")
    settle(journal, again(first))
    prints(journal, first, "late\n")
    (second,) = claim(journal, runner)
    prints(journal, first, "later\n")
    prints(journal, second, "three\n")
    assert logs(history, task) == [(1, "one\ntwo\n", 0), (2, "three\n", 0)]


def test_the_end_of_it_is_kept_and_the_newest_attempts(
    journal: RunnersJournal, history: History, web: int, runner: int
) -> None:
    (task,) = add(journal, web, new_task(State.WAITING))
    for _ in range(ATTEMPTS_KEPT + 5):
        (one,) = claim(journal, runner)
        for row in range(10):
            prints(journal, one, f"row {row}\n", most=20)
        settle(journal, again(one))
    kept = logs(history, task)
    assert [attempt for attempt, *_ in kept] == list(range(6, ATTEMPTS_KEPT + 6))
    assert {(text, left_out) for _, text, left_out in kept} == {("row 7\nrow 8\nrow 9\n", 42)}


def test_who_reads_on_gets_each_line_once_when_it_is_whole_or_its_attempt_is_over(
    journal: RunnersJournal, url: str, web: int, runner: int
) -> None:
    (task,) = add(journal, web, new_task(State.WAITING))
    (first,) = claim(journal, runner)
    reader, mark = open_log_reader(url), Mark(1)

    def news() -> list[tuple[int, tuple[str, ...], int]]:
        nonlocal mark
        found = reader.since({shown(task): mark})
        mark = found[-1].until if found else mark
        return [(one.until.attempt, one.lines, one.left_out) for one in found]

    assert news() == []
    prints(journal, first, "one\ntwo\nthr")
    assert news() == [(1, ("one", "two"), 0)]
    prints(journal, first, "ee\n\x1b[31mfö")
    assert news() == [(1, ("three",), 0)]
    settle(journal, again(first))
    assert news() == [(1, ("\\x1b[31mfö",), 0)], "its attempt is over"
    (second,) = claim(journal, runner)
    for row in range(10):
        prints(journal, second, f"row {row}\n", most=20)
    assert news() == [(2, ("row 7", "row 8", "row 9"), 42)]
    assert news() == []


def test_it_goes_with_its_task(journal: RunnersJournal, history: History, url: str, web: int, runner: int) -> None:
    ids = add(journal, web, *(new_task(State.WAITING) for _ in range(2)))
    for one in claim(journal, runner):
        prints(journal, one, "it\n")
        settle(journal, done(one))
    with journal.transaction():
        journal.tasks.delete(ids[:1])
    assert [logs(history, one) for one in ids] == [[], [(1, "it\n", 0)]]
    prune(url, Retention(done=0.0, count=0, failed=0.0), 1000.0)
    assert logs(history, ids[1]) == []


@pytest.mark.parametrize(
    ("before", "newer", "both"),
    [
        (("a\n", 0), ("b\n", 0), ("a\nb\n", 0)),
        (("aaaa\n", 3), ("bbbb\n", 0), ("bbbb\n", 8)),
        (("a\n", 3), ("bbb\n", 0), ("a\nbbb\n", 3)),
        (("a\n", 3), ("c\nbbb\n", 5), ("bbb\n", 12)),  # between them is a gap, which ends within a line
        (("", 0), ("xxxxxxxxxxxx", 0), ("xxxxxxxx", 4)),
        (("", 0), ("ääääää", 0), ("ääää", 4)),
        (("", 0), ("xäääää", 0), ("ääää", 3)),
    ],
)
def test_of_two_pieces_the_end_is_kept(before: tuple[str, int], newer: tuple[str, int], both: tuple[str, int]) -> None:
    made = TaskLog(*before, most=8).and_then(TaskLog(*newer, most=8))
    assert (made.text, made.left_out) == both
