"""A memory cgroup of a test's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.servers import eventually, is_alive

CGROUPS = Path("/sys/fs/cgroup")


@contextmanager
def memory_cgroup(limit: int) -> Iterator[Path]:
    """One with a limit in bytes, version 1 or 2. Only root can have one: the test is skipped for others."""
    is_old = (CGROUPS / "memory").is_dir()
    place = (CGROUPS / "memory" if is_old else CGROUPS) / f"outlast-test-{os.getpid()}"
    try:
        place.mkdir()
        (place / ("memory.limit_in_bytes" if is_old else "memory.max")).write_text(str(limit))
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    try:
        yield place
    finally:
        eventually(lambda: not any(map(is_alive, members(place))), "it is empty")
        place.rmdir()


def members(cgroup: Path) -> list[int]:
    """The processes in it."""
    return [int(pid) for pid in (cgroup / "cgroup.procs").read_text().split()]
