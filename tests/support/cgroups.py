"""Control groups of the kernel, version 1 or 2, as a container or a service has one; only root can make them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.servers import eventually

ROOT = Path("/sys/fs/cgroup")
PROCESSES = "cgroup.procs"
IS_ROOT = os.geteuid() == 0


def hierarchy(controller: str) -> Path | None:
    """Where groups with a controller can be made; None when they cannot."""
    return next((place for place in (ROOT / controller, ROOT) if IS_ROOT and _offers(place, controller)), None)


def _offers(place: Path, controller: str) -> bool:
    if place != ROOT:
        return (place / PROCESSES).exists()
    try:
        return controller in (place / "cgroup.controllers").read_text().split()
    except OSError:
        return False


@contextmanager
def new_group(place: Path, controller: str, name: str) -> Iterator[Path]:
    """A group in a hierarchy; by its end all that was in it must be gone."""
    if place == ROOT:
        (place / "cgroup.subtree_control").write_text(f"+{controller}")
    group = place / name
    group.mkdir()
    try:
        yield group
    finally:
        eventually(lambda: _is_removed(group), f"all processes of {group} are gone")


def _is_removed(group: Path) -> bool:
    """Whether nobody was in it any more, not even a process that has ended and was not waited for."""
    try:
        group.rmdir()
    except OSError:
        return False
    return True


@contextmanager
def memory_group(place: Path, name: str, limit: int) -> Iterator[Path]:
    """One with a limit in bytes."""
    with new_group(place, "memory", name) as group:
        (group / ("memory.max" if place == ROOT else "memory.limit_in_bytes")).write_text(str(limit))
        yield group


@contextmanager
def memory_cgroup(limit: int) -> Iterator[Path]:
    """One of a test's own. Only root can have one: the test is skipped for others."""
    place = hierarchy("memory")
    if place is None:
        pytest.skip("no memory cgroup can be made here")
    with memory_group(place, f"outlast-test-{os.getpid()}", limit) as group:
        yield group


def members(group: Path) -> list[int]:
    """The processes in it."""
    return [int(pid) for pid in (group / PROCESSES).read_text().split()]


def enclose(group: Path, pids: Iterable[int]) -> None:
    """From now on these processes, and what they start, are in a group."""
    for pid in pids:
        (group / PROCESSES).write_text(str(pid))


@contextmanager
def no_more(group: Path) -> Iterator[None]:
    """The kernel starts neither a process nor a thread in a group meanwhile."""
    limit = group / "pids.max"
    limit.write_text("1")  # fewer than there are: those stay
    try:
        yield
    finally:
        limit.write_text("max")
