"""Where in the user's code a task was added, and what was already said about that place."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from typing import NamedTuple

log = logging.getLogger("outlast")

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
        folder = os.getcwd() + os.sep  # noqa: PTH109  # Path.cwd() costs more than the warning
        return f"{self.file.removeprefix(folder)}:{self.line}"


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

    def say(self, site: Site, sentence: str) -> None:
        """Log `sentence` unless it was said about `site` before, or that has had its share.

        One line may add many functions, such as a project's own `later(tasks, f, *args)`.
        """
        if (site, sentence) in self._known or self._said[site] == MOST:
            return
        self._known.add((site, sentence))
        self._said[site] += 1
        log.warning("%s: %s%s", site, sentence, _LAST if self._said[site] == MOST else "")
