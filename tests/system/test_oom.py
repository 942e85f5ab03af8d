"""The kernel's count of OOM kills."""

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


def test_it_is_that_of_now(count: Path) -> None:
    kills = OomKills()
    assert (kills.count, kills.file) == (3, str(count))
    count.write_text("oom_kill 4\n")
    assert kills.count == 4


def test_a_kernel_that_does_not_tell_has_killed_nothing(count: Path) -> None:
    count.unlink()
    assert OomKills().count == 0
