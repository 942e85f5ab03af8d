"""Odd input from a seed against a real server; and that the check would find what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fuzz.check import Recorded, Seen, violations
from tests.fuzz.odd import FORGED, requests
from tests.fuzz.run import fuzz

SEED = 11


@pytest.mark.slow
def test_odd_input_hurts_nobody(tmp_path: Path) -> None:
    count = 1_000
    report = fuzz(tmp_path, SEED, lambda number: number > count)
    assert not report.violations, "\n".join(report.violations[:20])
    assert report.answers[200] > count / 2
    assert {"done", "failed", "dropped"} <= report.ends.keys()


def test_a_seed_says_it_all() -> None:
    assert [requests(3)(number) for number in range(50)] == [requests(3)(number) for number in range(50)]
    assert requests(3)(1) != requests(4)(1)


DONE = Recorded("done", "")
SEEN = Seen({1: "keep"}, {1: 200}, {1: [DONE, DONE]})


def test_what_is_right_is_no_violation() -> None:
    assert violations(SEEN) == []
    assert violations(replace(SEEN, shown="two\nlines\t\n")) == []
    assert violations(replace(SEEN, answers={1: 422}, recorded={})) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (replace(SEEN, recorded={}), "0 of its 2 tasks"),
        (replace(SEEN, answers={1: 0}), "was not answered"),
        (replace(SEEN, answers={1: 503}, recorded={}), "was answered 503"),
        (replace(SEEN, recorded={1: [DONE, Recorded("running", "")]}), "is left running"),
        (replace(SEEN, recorded={1: [DONE, Recorded("failed", "")]}), "failed without a word"),
        (replace(SEEN, recorded={1: [DONE, Recorded("failed", "why")]}), "ended failed"),
        (replace(SEEN, recorded={1: [DONE, Recorded("done", "", ("a\x1b[2J",))]}), "in the journal"),
        (replace(SEEN, after={4}), "were replaced"),
        (replace(SEEN, deaths=["task process 4 died"]), "has died"),
        (replace(SEEN, shown=f"fine\n{FORGED}"), "prints"),
        (replace(SEEN, shown="a\u202eb"), "prints"),
    ],
)
def test_the_check_finds(wrong: Seen, words: str) -> None:
    assert any(words in sentence for sentence in violations(wrong))
