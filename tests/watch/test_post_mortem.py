"""What the survivor adds: when it heard of a death, and whether that was on this boot, on this machine."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from outlast.watch.crash import Crash
from outlast.watch.incident import Cause
from outlast.watch.layout import LifeState, Vitals
from outlast.watch.post_mortem import FRESH, has_run_out, incident_of, witnessed
from outlast.watch.recovered import Remains, bare_remains

ASKED = 'Current thread 0x1 (most recent call first):\n  File "/a/b.py", line 5 in c\n'
SEGFAULT = f"Fatal Python error: Segmentation fault\n\n{ASKED}"


def left(ago: float, crash: str = "", crash_ago: float = 0.0) -> Remains:
    """By a process of this machine that gave its last sign of life so many seconds ago."""
    beat = time.monotonic() - ago
    vitals = Vitals(beat, 0.0, LifeState.SERVING, beat - 60.0, 0, 3)
    return replace(bare_remains("web worker", 7), vitals=vitals, crash=Crash.read(crash, time.time() - crash_ago))


def test_the_wait_for_an_exit_status_is_no_silence() -> None:
    """Nobody tells it on an older kernel: the verdict comes seconds after the death."""
    incident = incident_of(witnessed(left(ago=2.6), time.monotonic() - 2.5))
    assert incident.cause is Cause.UNKNOWN
    assert incident.sentence.endswith("and it left no stack; nothing was in flight")
    assert abs(time.time() - 2.5 - incident.at) < 1.0, "and it is dated when it was heard of"


def test_a_stack_dates_a_death_that_nobody_has_seen() -> None:
    incident = incident_of(witnessed(left(ago=3600.1, crash=SEGFAULT, crash_ago=3600.0), None))
    assert incident.cause is Cause.CRASH
    assert abs(time.time() - 3600.0 - incident.at) < 1.0


def test_a_stack_that_was_only_asked_for_dates_nothing() -> None:
    incident = incident_of(witnessed(left(ago=60.0, crash=ASKED, crash_ago=3600.0), None))
    assert incident.cause is Cause.UNKNOWN
    assert abs(time.time() - 60.0 - incident.at) < 1.0


def test_what_another_boot_has_left_went_down_with_it() -> None:
    remains = left(ago=0.0)
    remains = replace(remains, owner=replace(remains.owner, boot="another"))
    sentence = incident_of(witnessed(remains, None)).sentence
    assert "when its machine or container went down, which has started anew since" in sentence


@pytest.mark.parametrize(("ago", "count", "has"), [(1.0, 4, True), (1.0, 3, False), (FRESH + 5.0, 4, False)])
def test_a_count_of_oom_kills_tells_of_a_fresh_death(ago: float, count: int, has: bool) -> None:
    assert has_run_out(left(ago), count) is has


def test_a_count_of_oom_kills_tells_nothing_of_other_machines() -> None:
    remains = left(ago=1.0)
    assert not has_run_out(replace(remains, owner=replace(remains.owner, machine="another")), 4)
    assert not has_run_out(replace(remains, owner=replace(remains.owner, boot="another")), 4)
