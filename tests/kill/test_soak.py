"""Thousands of tasks while processes are killed at random; and that the check would find what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from outlast.events import endings
from tests.soak.check import Recorded, Seen, violations, wrong_ticks
from tests.soak.plan import LAST_LINK, Asked, planned
from tests.soak.run import soak
from tests.support.marks import slow

SEED = 7
BY_SIGKILL = "was killed by SIGKILL"


@pytest.mark.parametrize("tasks", [150, *slow(2_500)])
def test_nothing_is_lost_or_settled_twice(tmp_path: Path, tasks: int) -> None:
    report = soak(tmp_path, tasks, SEED)
    assert not report.violations, "\n".join(report.violations[:20])
    assert report.answered > tasks / 2, "the rest met a web worker that was killed"
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


def test_the_last_link_of_a_chain_ends_with_its_first() -> None:
    link = LAST_LINK + 1
    plan, failed = [Asked(link, "last link", 0.0)], Recorded("failed", 0, (STARTED, ("error", 1, "no")))
    dropped = Recorded("dropped", 0, (("dropped", 0, "it was to run after 1"),))
    seen = Seen(plan, {link}, {}, {}, {1: failed, link: dropped})
    assert violations(seen) == []
    assert violations(replace(seen, recorded={1: GOOD, link: dropped}))
    assert violations(replace(seen, recorded={1: failed, link: GOOD}))


def test_a_tick_that_is_not_there_or_has_two_tasks_is_told() -> None:
    ticks, tasks = [(float(number), number) for number in range(9)], dict.fromkeys(range(9), "done")
    assert wrong_ticks(ticks, tasks | {8: "waiting"}) == []
    assert wrong_ticks([], {}) == ["it has never ticked"]
    assert wrong_ticks(ticks[:3] + ticks[4:], tasks) == ["no tick between 2.0 and 4.0", "task 3 is of no tick"]
    assert wrong_ticks(ticks, tasks | {1: "failed"}) == ["the tick at 1.0 is failed"]


def cut_by_deaths_of_its_runner(times: int) -> Seen:
    down = "runner 7 died, or its container or machine went down"
    events = [
        one for attempt in range(1, times + 1) for one in (("started", attempt, ""), ("interrupted", attempt, down))
    ]
    return replace(SEEN, recorded={1: Recorded("failed", 0, tuple(events))}, began={1: times}, ran={})


def test_only_a_task_that_has_run_at_five_deaths_of_its_runner_may_fail() -> None:
    assert violations(cut_by_deaths_of_its_runner(5)) == []
    assert violations(cut_by_deaths_of_its_runner(4))


def charged_for(*pids: int, killed: tuple[int, ...]) -> Seen:
    """A task taken for the one that had ended these processes; `killed`: those that the killer outside has ended."""
    events = [
        one
        for attempt, pid in enumerate(pids, 1)
        for one in (("started", attempt, ""), ("crashed", attempt, endings.crashed(pid, BY_SIGKILL, attempt, 2)))
    ]
    record = Recorded("failed", len(pids), tuple(events))
    return replace(SEEN, recorded={1: record}, began={1: len(pids)}, ran={}, killed_children=killed)


def test_only_a_task_that_the_killer_has_hit_twice_may_fail_of_that() -> None:
    assert violations(charged_for(8, 9, killed=(7, 8, 9))) == []
    assert violations(charged_for(8, 9, killed=(7, 8))), "one it has not ended"
    assert violations(charged_for(8, killed=(7, 8)))


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
