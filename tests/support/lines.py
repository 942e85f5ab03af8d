"""Where in a program something stands."""

from __future__ import annotations


def line_of(text: str, part: str) -> int:
    """The line, counted from 1, in which `part` stands for the first time."""
    return text[: text.index(part)].count("\n") + 1
