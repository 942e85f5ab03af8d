"""How far an attempt has come, and the loop that says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

import outlast
from outlast.tasks.attempt import Attempt, Keeper, running_attempt
from outlast.tasks.progress import MOST_NOTE, Progress


class Noting(Keeper):
    def __init__(self) -> None:
        self.said: list[Progress] = []

    def progress(self, attempt: Attempt, progress: Progress) -> None:  # noqa: ARG002
        self.said.append(progress)


@pytest.fixture
def attempt() -> Iterator[Attempt]:
    """The one that the test is, as far as its code can tell."""
    token = running_attempt.set(Attempt(1, 1, "main:f", keeper=Noting()))
    yield outlast.current()
    running_attempt.reset(token)


def said(attempt: Attempt) -> list[Progress]:
    assert isinstance(attempt.keeper, Noting)
    return attempt.keeper.said


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(120, 1000, "mails"), "120 of 1000 (12%), mails"),
        (Progress(0.5), "0.5"),
        (Progress(3, None, "third page"), "3, third page"),
        (Progress(7, 5), "7 of 5 (100%)"),
        (Progress(0, 0), "0 of 0"),
        (Progress(-1, 4), "-1 of 4 (0%)"),
    ],
)
def test_it_is_said_in_words_and_comes_back_from_its_text(progress: Progress, words: str) -> None:
    assert str(progress) == words
    assert Progress.read(progress.text()) == progress


def test_a_note_is_one_line_and_bounded(attempt: Attempt) -> None:
    attempt.progress(1, note="two\nlines" * 100_000)
    (one,) = said(attempt)
    assert len(one.note) == MOST_NOTE
    assert "\n" not in str(Progress.read(one.text()))


@pytest.mark.parametrize(("done", "total"), [(float("nan"), None), (1, float("inf")), ("half", 1), (10**400, None)])
def test_what_is_no_number_is_refused_at_the_call(attempt: Attempt, done: float, total: float | None) -> None:
    with pytest.raises((ValueError, OverflowError)):
        attempt.progress(done, total)


def test_a_loop_says_how_many_rows_it_is_done_with(attempt: Attempt) -> None:
    assert list(outlast.track("abc")) == ["a", "b", "c"]
    assert said(attempt) == [Progress(done, 3) for done in range(4)]


def test_a_loop_that_goes_on_counts_what_was_done_before(attempt: Attempt) -> None:
    assert list(outlast.track([3, 4], start=3, note="rows")) == [3, 4]
    assert said(attempt) == [Progress(done, 5, "rows") for done in (3, 4, 5)]


def test_a_loop_over_what_has_no_length_says_no_total(attempt: Attempt) -> None:
    assert list(outlast.track(iter("ab"))) == ["a", "b"]
    assert list(outlast.track(iter("ab"), total=2)) == ["a", "b"]
    assert [one.total for one in said(attempt)] == [None, None, None, 2, 2, 2]


def test_an_awaited_loop_does_the_same(attempt: Attempt) -> None:
    async def rows() -> AsyncIterator[int]:
        for row in range(3):
            await asyncio.sleep(0)
            yield row

    async def work() -> list[int]:
        return [row async for row in outlast.track(rows(), total=3)]

    assert asyncio.run(work()) == [0, 1, 2]
    assert said(attempt) == [Progress(done, 3) for done in range(4)]


def test_between_two_rows_a_task_ends_that_has_to(attempt: Attempt) -> None:
    seen = []
    with pytest.raises(outlast.Stopped):
        for row in outlast.track(range(9)):
            seen.append(row)
            attempt.stopping = row == 2
    assert seen == [0, 1, 2]
    assert said(attempt)[-1] == Progress(3, 9)


def test_outside_of_a_task_nobody_hears_of_it() -> None:
    outlast.current().progress(1, 2)
    outlast.current().checkpoint({"row": 1})
    assert outlast.current().resume is None
    assert list(outlast.track([1])) == [1]
