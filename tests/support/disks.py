"""A disk that is full soon."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(place: Path, mode: str = "rw") -> Iterator[Path]:
    """A file system of 2 MiB; only root can have one."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=2m,mode=700,{mode}", "none", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)
