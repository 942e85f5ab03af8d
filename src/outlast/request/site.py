"""Where in the user's code a task was added, and what was already said about that place."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from functools import cache
from typing import NamedTuple

from outlast.text import MOST_NAME, MOST_REASON, one_line

log = logging.getLogger("outlast")
SAY_AGAIN = 10.0  # seconds between two lines on one trouble

_NOT_THE_USERS = (
    *("outlast.", "starlette.", "fastapi.", "anyio.", "asyncio.", "concurrent.", "contextlib", "threading"),
    *("uvicorn.", "gunicorn.", "hypercorn.", "granian."),
)


class Site(NamedTuple):
    """A line of the user's code."""

    file: str
    line: int

    def __str__(self) -> str:
        if not self.line:
            return "a background object"
        return one_line(f"{self.file.removeprefix(working_folder())}:{self.line}", MOST_NAME)


@cache
def working_folder() -> str:
    """With a separator; as it was when this was first asked, which is not on an event loop. Empty if it was gone."""
    try:
        return os.getcwd() + os.sep  # noqa: PTH109 - as text
    except FileNotFoundError:
        return ""


UNKNOWN = Site("", 0)
MOST = 50
"""Warnings about one line, at most: what names a value that differs each time must not fill the log."""

_LAST = "; nothing more is said about this line"


def call_site() -> Site:
    """The innermost line on this thread's stack that is neither the framework's, nor a server's, nor ours."""
    frame = sys._getframe(1)
    while frame is not None:
        if not str(frame.f_globals.get("__name__", "")).startswith(_NOT_THE_USERS):
            return Site(frame.f_code.co_filename, frame.f_lineno)
        if frame.f_back is None:
            break
        frame = frame.f_back
    return UNKNOWN


class Warnings:
    """Says each thing once per call site. One per doorway."""

    def __init__(self) -> None:
        self._said: Counter[Site] = Counter()
        self._known: set[tuple[Site, str]] = set()
        self._complaints = 0
        self._next_complaint = 0.0

    def complain(self, sentence: str) -> None:
        """Log what goes wrong for each request for as long as it does: the first time, then now and then, counted."""
        self._complaints += 1
        if time.monotonic() >= self._next_complaint:
            self._next_complaint = time.monotonic() + SAY_AGAIN
            times = f" ({self._complaints} times since this was last said)" if self._complaints > 1 else ""
            log.error("%s%s", one_line(sentence, MOST_REASON), times)
            self._complaints = 0

    def is_well(self) -> None:
        """It does not go wrong now: say how often it did since that was last said."""
        if self._complaints and time.monotonic() >= self._next_complaint:
            log.warning("tasks are stored again; meanwhile the same went wrong %d times more", self._complaints)
            self._complaints = 0

    def say_once(self, sentence: str) -> None:
        """Log what is true of the whole app."""
        if (UNKNOWN, sentence) not in self._known:
            self._known.add((UNKNOWN, sentence))
            log.warning("%s", sentence)

    def say(self, site: Site, sentence: str) -> None:
        """Log `sentence` unless it was said about `site` before, or that has had its share.

        One line may add many functions, such as a project's own `later(tasks, f, *args)`.
        """
        line = one_line(sentence, MOST_REASON)
        if (site, line) in self._known or self._said[site] == MOST:
            return
        self._known.add((site, line))
        self._said[site] += 1
        log.warning("%s: %s%s", site, line, _LAST if self._said[site] == MOST else "")
