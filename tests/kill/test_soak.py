"""Thousands of tasks while processes are killed at random; and that the check would find what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak.check import Recorded, Seen, violations
from tests.soak.plan import Asked, planned
from tests.soak.run import soak
from tests.support.marks import slow

SEED = 7


@pytest.mark.parametrize("tasks", [1_000, *slow(5_000)])
def test_nothing_is_lost_or_settled_twice(tmp_path: Path, tasks: int) -> None:
    report = soak(tmp_path, tasks, SEED)
    assert not report.violations, "\n".join(report.violations[:20])
    assert report.answered > 0.9 * tasks
    assert report.kills.total() > 0, "nobody was killed: this proves nothing"


def test_a_seed_says_it_all() -> None:
    assert planned(500, 3) == planned(500, 3)
    assert planned(500, 3) != planned(500, 4)


RELEASED, STARTED, DONE = ("released", 0, ""), ("started", 1, ""), ("done", 1, "")
GOOD = Recorded("done", 0, (RELEASED, STARTED, DONE))
SEEN = Seen([Asked(1, "awaits", 0.0)], {1}, {1: 1}, {1: 1}, {1: GOOD})
CUT = Recorded("done", 0, (STARTED, ("interrupted", 1, "its runner died"), ("started", 2, ""), ("done", 2, "")))


def test_what_is_right_is_no_violation() -> None:
    assert violations(SEEN) == []
    assert violations(replace(SEEN, recorded={1: CUT}, began={1: 2}, ran={1: 2})) == []
    assert violations(replace(SEEN, answered=set(), recorded={}, began={}, ran={})) == [], "nobody was promised it"


def cut_by_deaths_of_its_runner(times: int) -> Seen:
    down = "runner 7 died, or its container or machine went down"
    events = [
        one for attempt in range(1, times + 1) for one in (("started", attempt, ""), ("interrupted", attempt, down))
    ]
    return replace(SEEN, recorded={1: Recorded("failed", 0, tuple(events))}, began={1: times}, ran={})


def test_only_a_task_that_has_run_at_five_deaths_of_its_runner_may_fail() -> None:
    assert violations(cut_by_deaths_of_its_runner(5)) == []
    assert violations(cut_by_deaths_of_its_runner(4))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (replace(SEEN, recorded={}), "was answered and is not in the journal"),
        (replace(SEEN, recorded={}, answered=set()), "has run and is not in the journal"),
        (replace(SEEN, recorded={1: replace(GOOD, state="running")}), "is left running"),
        (replace(SEEN, recorded={1: replace(GOOD, state="failed")}), "ended failed, not done"),
        (replace(SEEN, ran={}), "has never run to its end"),
        (replace(SEEN, began={}), "has never begun"),
        (replace(SEEN, began={1: 2}), "has begun 2 times in 1 attempts"),
        (replace(SEEN, ran={1: 2}), "has run 2 times, but was cut 0 times"),
        (replace(SEEN, recorded={1: replace(GOOD, events=(STARTED, DONE, DONE))}), "settled twice"),
        (replace(SEEN, recorded={1: replace(GOOD, events=(STARTED,))}), "an attempt without an end"),
        (replace(SEEN, recorded={1: replace(CUT, events=(STARTED, ("interrupted", 1, "")))}), "without a sentence"),
        (replace(SEEN, recorded={1: replace(GOOD, crashes=1)}), "1 innocents were charged for 0 killed processes"),
    ],
)
def test_each_violation_is_found(wrong: Seen, words: str) -> None:
    assert any(words in sentence for sentence in violations(wrong)), violations(wrong)
