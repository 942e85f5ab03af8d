"""What was done a moment ago, carried by the URL of the page that says so: numbers, ids, and one of a few words."""

from __future__ import annotations

import re

from outlast.events import board, waits

_SAID = re.compile(r"(retried|cancelled|deleted)-(\d{1,6})-(\d{1,6})")
_REPEATED = re.compile(r"repeated-([0-9a-hjkmnp-tv-z]{13})")


def said_text(verb: str, done: int, refused: int) -> str:
    """For a URL."""
    return f"{verb}-{done}-{refused}"


def repeated_text(task: str) -> str:
    """The same of a new task that asks for what this one has asked for."""
    return f"repeated-{task}"


def said_in(text: str) -> str:
    """In words; empty for anything else, so that no link can put its own words into a page."""
    if found := _SAID.fullmatch(text):
        return waits.changed_by_hand(int(found[2]), int(found[3]), found[1])
    found = _REPEATED.fullmatch(text)
    return board.is_repeat_of(found[1]) if found else ""
