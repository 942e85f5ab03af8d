"""What the kernel says of memory: how much a process has, and whether it has killed one for want of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

_OOM_KILL = re.compile(rb"^oom_kill (\d+)$", re.MULTILINE)
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CGROUPS = Path("/sys/fs/cgroup")
_EVENTS, _CONTROL = "memory.events", "memory.oom_control"  # of version 2, and 1
_OF_ALL = Path("/proc/vmstat")


def resident_bytes(pid: int) -> int:
    """The memory that a process has now; 0 when it is gone or the kernel does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


class OwnMemory:
    """This process's resident memory and the count of OOM kills, for who asks every second: the files stay open."""

    def __init__(self) -> None:
        self._memory = _opened(Path("/proc/self/statm"))
        self._kills = _opened(_counting_file())

    def read(self) -> tuple[int, int]:
        """Bytes, and kills; 0 for what the kernel does not tell."""
        resident = _read(self._memory).split()[1:2]
        return int(resident[0]) * _PAGE if resident else 0, _kills_in(_read(self._kills))

    def close(self) -> None:
        """Give back the files."""
        for descriptor in (self._memory, self._kills):
            if descriptor is not None:
                os.close(descriptor)
        self._memory = self._kills = None


class OomKills:
    """The count of OOM kills of this process's cgroup, else of the machine (cgroups(7), proc_vmstat(5))."""

    def __init__(self) -> None:
        self._file = _counting_file()

    @property
    def file(self) -> str:
        """Where the kernel counts them; empty if it does not."""
        return str(self._file or "")

    @property
    def count(self) -> int:
        """The kernel's count now."""
        return (_counted(self._file) if self._file else None) or 0


def kills_counted_in(file: str) -> int | None:
    """The kernel's count in a file that another process has named; None if it is none of the kernel's, or has gone."""
    path = Path(file)
    is_of_a_group = path.is_relative_to(_CGROUPS) and ".." not in path.parts and path.name in (_EVENTS, _CONTROL)
    return _counted(path) if is_of_a_group or path == _OF_ALL else None


def _counted(file: Path) -> int | None:
    try:
        return _kills_in(file.read_bytes())
    except OSError:
        return None


def _kills_in(text: bytes) -> int:
    found = _OOM_KILL.search(text)
    return int(found[1]) if found else 0


def _opened(file: Path | None) -> int | None:
    try:
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC) if file is not None else None
    except OSError:
        return None


def _read(descriptor: int | None) -> bytes:
    try:
        return os.pread(descriptor, 65_536, 0) if descriptor is not None else b""
    except OSError:
        return b""


def _counting_file() -> Path | None:
    candidates = [*_cgroup_files(), _OF_ALL]
    return next((file for file in candidates if file.exists()), None)


def _cgroup_files() -> list[Path]:
    """Of this process's memory cgroup, version 2 or 1; in a container its path may be seen as the root."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found += [_CGROUPS / path.lstrip("/") / _EVENTS, _CGROUPS / _EVENTS]
        elif "memory" in controllers.split(","):
            root = _CGROUPS / "memory"
            found += [root / path.lstrip("/") / _CONTROL, root / _CONTROL]
    return found
