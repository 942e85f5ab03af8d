"""What the survivor adds: when it heard of a death, and whether that was on this boot, on this machine."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from outlast.system import memory
from outlast.watch.crash import Crash
from outlast.watch.incident import Cause
from outlast.watch.layout import LifeState, Vitals
from outlast.watch.post_mortem import FRESH, has_run_out, incident_of, witnessed
from outlast.watch.recovered import Remains, bare_remains

ASKED = 'Current thread 0x1 (most recent call first):\n  File "/a/b.py", line 5 in c\n'
SEGFAULT = f"Fatal Python error: Segmentation fault\n\n{ASKED}"


def left(ago: float, crash: str = "", crash_ago: float = 0.0, counted_in: Path | None = None) -> Remains:
    """By a process of this machine that gave its last sign of life so many seconds ago.

    It had seen three OOM kills by then.
    """
    beat = time.monotonic() - ago
    vitals = Vitals(beat, 0.0, LifeState.SERVING, beat - 60.0, 0, 3)
    bare = bare_remains("web worker", 7)
    owner = replace(bare.owner, oom_file=str(counted_in or ""))
    return replace(bare, owner=owner, vitals=vitals, crash=Crash.read(crash, time.time() - crash_ago))


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


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a memory cgroup, as the kernel writes it. The survivor is of another one."""
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    (tmp_path / "web.service").mkdir()
    return tmp_path / "web.service" / "memory.events"


LONG_AGO = FRESH + 5.0


@pytest.mark.parametrize(
    ("ago", "count", "has"), [(1.0, 4, True), (1.0, 3, False), (LONG_AGO, 3, False), (LONG_AGO, 4, None)]
)
def test_the_count_of_its_own_group_tells_of_a_fresh_death(
    ago: float, count: int, has: bool | None, group: Path
) -> None:
    group.write_text(f"oom 9\noom_kill {count}\n")
    assert has_run_out(left(ago, counted_in=group)) is has


def test_where_its_count_cannot_be_read_nothing_is_known(group: Path) -> None:
    group.write_text("oom_kill 4\n")
    owner = left(ago=1.0, counted_in=group).owner
    for other in (replace(owner, machine="another"), replace(owner, boot="another"), replace(owner, oom_file="")):
        assert has_run_out(replace(left(ago=1.0), owner=other)) is None


@pytest.mark.parametrize("name", ["passwords", "memory.events/../../passwords", "web.service/memory.events"])
def test_no_other_file_than_the_kernels_is_read(name: str, tmp_path: Path, group: Path) -> None:
    (tmp_path / "passwords").write_text("oom_kill 4\n")
    assert has_run_out(left(ago=1.0, counted_in=tmp_path / name)) is None, "the last one has gone"


def test_it_is_said_that_it_is_not_known_whether_memory_had_run_out() -> None:
    killed, gone = (witnessed(left(ago=0.1), None, status=one, out_of_memory=None) for one in (-9, None))
    assert "not by outlast, and whether memory had run out is not known" in incident_of(killed).sentence
    assert "whether memory had run out is not known, and it left no stack" in incident_of(gone).sentence
