"""The count of OOM kills: what rose a moment ago belongs to the child whose death is heard of now."""

from __future__ import annotations

from pathlib import Path

import pytest

from outlast.system import memory
from outlast.system.memory import OomKills


@pytest.fixture
def count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as the kernel writes it."""
    file = tmp_path / "memory.events"
    file.write_text("low 0\noom 0\noom_kill 3\n")
    monkeypatch.setattr(memory, "_counting_file", lambda: file)
    return file


def test_a_kill_is_told_once_also_when_a_look_came_between(count: Path) -> None:
    kills = OomKills()
    assert not kills.has_struck()
    count.write_text("oom_kill 4\n")
    kills.look(1.0)
    assert kills.has_struck()
    assert not kills.has_struck()


def test_a_kill_of_long_ago_is_nobodys(count: Path) -> None:
    kills = OomKills()
    count.write_text("oom_kill 4\n")
    kills.look(1.0)
    kills.look(2.0)
    assert not kills.has_struck()


def test_looking_more_often_forgets_nothing_sooner(count: Path) -> None:
    kills = OomKills()
    count.write_text("oom_kill 4\n")
    for now in (1.0, 1.05, 1.1):
        kills.look(now)
    assert kills.has_struck()


def test_a_kernel_that_does_not_tell_has_killed_nothing(count: Path) -> None:
    count.unlink()
    assert not OomKills().has_struck()
