"""Lines of files: where in a program something stands, and what others write while it is read."""

from __future__ import annotations

from pathlib import Path


def line_of(text: str, part: str) -> int:
    """The line, counted from 1, in which `part` stands for the first time."""
    return text[: text.index(part)].count("\n") + 1


def whole_lines(file: Path) -> list[str]:
    """Those that have been written to their end; none if there is no such file."""
    return file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []
