"""stdout and stderr that never fail a task: the server whose they were may be gone."""

from __future__ import annotations

import io
import sys
from typing import Any


class ForgivingFile(io.FileIO):
    """A file whose reader may have left: what cannot be written is taken as written."""

    def write(self, data: Any) -> int:
        """Write, or pretend to once the reader is gone."""
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def forgive_broken_pipes() -> None:
    """Replace sys.stdout and sys.stderr, line by line as a server's log is read."""
    sys.stdout, sys.stderr = _lines_to(1), _lines_to(2)


def _lines_to(descriptor: int) -> io.TextIOWrapper:
    raw = ForgivingFile(descriptor, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), errors="backslashreplace", line_buffering=True)
