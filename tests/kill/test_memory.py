"""Memory that runs out is said to have run out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kill.test_stopping import ended
from tests.support.servers import eventually, is_alive, serving

CGROUPS = Path("/sys/fs/cgroup")
LIMIT = 300 << 20  # bytes: a server, a runner and task processes fit, one that grows does not


@contextmanager
def memory_cgroup() -> Iterator[Path]:
    """A memory cgroup of our own, version 1 or 2; only root can have one."""
    is_old = (CGROUPS / "memory").is_dir()
    place = (CGROUPS / "memory" if is_old else CGROUPS) / f"outlast-test-{os.getpid()}"
    try:
        place.mkdir()
        (place / ("memory.limit_in_bytes" if is_old else "memory.max")).write_text(str(LIMIT))
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    try:
        yield place
    finally:
        eventually(lambda: not any(map(is_alive, processes_in(place))), "it is empty")
        place.rmdir()


def processes_in(cgroup: Path) -> list[int]:
    return [int(pid) for pid in (cgroup / "cgroup.procs").read_text().split()]


def test_a_task_that_the_oom_killer_ended_says_so(tmp_path: Path) -> None:
    with memory_cgroup() as cgroup, serving("uvicorn", tmp_path) as server:
        (cgroup / "cgroup.procs").write_text(str(server.process.pid))  # what it starts is in it, too
        server.add("sleep_async", "innocent", 2.0)
        server.wait_for("began", "innocent")
        server.add("grow_until_killed", "guilty")
        record = ended(server, "guilty")
        assert (record.state, record.crashes) == ("failed", 2), f"{record}\n{server.output}"
        assert "was killed by the kernel since memory had run out" in record.reason
        innocent = ended(server, "innocent")
        assert (innocent.state, innocent.crashes) == ("done", 0)
        assert server.answers()
