"""Where a cell runs: a memory limit around it, a small disk under its journal."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.servers import eventually

MEMORY = 512 << 20  # bytes for all processes of a server together
ADDRESS_SPACE = 2 << 30  # bytes for each of them, where there is no limit for all
CGROUPS = Path("/sys/fs/cgroup")
ENTER = 'echo $$ > "$0" && exec "$@"'
IS_ROOT = os.geteuid() == 0


@dataclass(frozen=True, slots=True)
class Place:
    """What goes before a server's command, and its variables."""

    before: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)


@contextmanager
def ordinary(_folder: Path) -> Iterator[Place]:
    yield Place()


@contextmanager
def small_memory(folder: Path) -> Iterator[Place]:
    """A memory cgroup of its own, so that the kernel kills; else a limit of each process, so that it gets an error."""
    group = _new_group(f"outlast-matrix-{folder.name}")
    if group is None:
        yield Place(("sh", "-c", f'ulimit -v {ADDRESS_SPACE >> 10} && exec "$0" "$@"'))
        return
    try:
        yield Place(("sh", "-c", ENTER, str(group / "cgroup.procs")))
    finally:
        eventually(lambda: not (group / "cgroup.procs").read_text(), "all processes in the limit are gone")
        group.rmdir()


def how_memory_is_limited() -> str:
    """For the page."""
    kind = _memory_root()
    if kind is None:
        return f"RLIMIT_AS of {ADDRESS_SPACE >> 20} MiB for each process"
    return f"a memory cgroup (v{1 if kind.name == 'memory' else 2}) of {MEMORY >> 20} MiB for all processes of a server"


def _memory_root() -> Path | None:
    """Where memory cgroups can be made, version 1 or 2."""
    for root, limit in ((CGROUPS / "memory", "memory.limit_in_bytes"), (CGROUPS, "cgroup.subtree_control")):
        if IS_ROOT and (root / limit).exists() and os.access(root, os.W_OK):
            return root
    return None


def _new_group(name: str) -> Path | None:
    root = _memory_root()
    if root is None:
        return None
    if root == CGROUPS:
        (root / "cgroup.subtree_control").write_text("+memory")
    group = root / name
    group.mkdir()
    (group / ("memory.max" if root == CGROUPS else "memory.limit_in_bytes")).write_text(str(MEMORY))
    return group


@contextmanager
def small_disk(folder: Path) -> Iterator[Place]:
    """Journals are on a file system of 2 MiB, if we may have one."""
    disk = folder / "disk"
    disk.mkdir()
    if IS_ROOT:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk], check=True)
    try:
        yield Place(variables={"OUTLAST_URL": f"sqlite:///{disk}/journal.db", "TASKFLOW_DB": f"{disk}/tasks.db"})
    finally:
        if IS_ROOT:
            subprocess.run(["umount", "-l", disk], check=True)


def fill_up(folder: Path, worker: int) -> None:
    """Not a byte is left where the journals are; else the web worker may write no file beyond 8 KiB."""
    if not IS_ROOT:
        _, most = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (8192, most))
        return
    with (folder / "disk" / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                continue
        except OSError:
            return
