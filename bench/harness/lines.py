"""Files in which tasks leave lines."""

from __future__ import annotations

import os
from pathlib import Path


def write_line(file: str, line: object) -> None:
    """One line, whole, whoever else writes."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def lines(file: Path) -> list[str]:
    """What was written so far."""
    return file.read_text().splitlines() if file.exists() else []
