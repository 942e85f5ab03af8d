"""What the kernel says of memory: how much a process has, and whether it has killed one for want of it."""

from __future__ import annotations

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_CGROUPS = Path("/sys/fs/cgroup")
_BETWEEN_LOOKS = 1.0  # seconds


def resident_bytes(pid: int) -> int:
    """The memory that a process has now; 0 when it is gone or the kernel does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


class OomKills:
    """The count of OOM kills of this process's cgroup, else of the machine (cgroups(7), proc_vmstat(5))."""

    def __init__(self) -> None:
        self._file = _counting_file()
        self._seen = self._seen_before = self._count()
        self._next_look = 0.0

    @property
    def count(self) -> int:
        """The kernel's count now."""
        return self._count()

    def look(self, now: float) -> None:
        """To be called often, counts once a second: what was killed before the last look was none of our children."""
        if now >= self._next_look:
            self._next_look = now + _BETWEEN_LOOKS
            self._seen_before, self._seen = self._seen, self._count()

    def has_struck(self) -> bool:
        """Whether something was killed of late: since the last look but one, as a death is heard of a moment later."""
        before = self._seen_before
        self._seen = self._seen_before = self._count()
        return self._seen > before

    def _count(self) -> int:
        try:
            lines = self._file.read_text(encoding="ascii").splitlines() if self._file else []
        except OSError:
            return 0
        counts = [int(line.split()[1]) for line in lines if line.startswith("oom_kill ")]
        return counts[0] if counts else 0


def _counting_file() -> Path | None:
    candidates = [*_cgroup_files(), Path("/proc/vmstat")]
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
            found += [_CGROUPS / path.lstrip("/") / "memory.events", _CGROUPS / "memory.events"]
        elif "memory" in controllers.split(","):
            root = _CGROUPS / "memory"
            found += [root / path.lstrip("/") / "memory.oom_control", root / "memory.oom_control"]
    return found
