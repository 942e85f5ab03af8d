"""Control groups of the kernel, version 1 or 2, as a container or a service has one; only root can make them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
        eventually(lambda: not members(group), f"all processes of {group} are gone")
        group.rmdir()


def members(group: Path) -> list[int]:
    """Pids of the processes in a group."""
    return [int(one) for one in (group / PROCESSES).read_text().split()]
