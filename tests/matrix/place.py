"""Where a cell runs: a memory limit around it, a small disk under its journal."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.cgroups import IS_ROOT, PROCESSES, ROOT, hierarchy, memory_group
from tests.support.disks import small_disk

MEMORY = 512 << 20  # bytes for all processes of a server together
ADDRESS_SPACE = 2 << 30  # bytes for each of them, where there is no limit for all
ENTER = 'echo $$ > "$0" && exec "$@"'


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
    root = hierarchy("memory")
    if root is None:
        yield Place(("sh", "-c", f'ulimit -v {ADDRESS_SPACE >> 10} && exec "$0" "$@"'))
        return
    with memory_group(root, f"outlast-{folder.parent.name}-{folder.name}-{os.getpid()}", MEMORY) as group:
        yield Place(("sh", "-c", ENTER, str(group / PROCESSES)))


def how_memory_is_limited() -> str:
    """For the page."""
    root = hierarchy("memory")
    if root is None:
        return f"an address space of {ADDRESS_SPACE >> 20} MiB for each process (RLIMIT_AS)"
    return f"a memory cgroup (version {2 if root == ROOT else 1}) of {MEMORY >> 20} MiB around the whole server"


@contextmanager
def on_small_disk(folder: Path) -> Iterator[Place]:
    """Journals are on a file system of 2 MiB, if we may have one."""
    disk = folder / "disk"
    if not IS_ROOT:
        disk.mkdir()
    with small_disk(disk) if IS_ROOT else nullcontext():
        yield Place(variables={"OUTLAST_URL": f"sqlite:///{disk}/journal.db", "TASKFLOW_DB": f"{disk}/tasks.db"})


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
