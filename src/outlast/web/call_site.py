"""Where in the user's code a task was added, and what was already said about that place."""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from functools import cache
from types import FrameType
from typing import NamedTuple

from outlast.events import requests
from outlast.events.event import Once
from outlast.system.whose import is_hosts
from outlast.text import MOST_NAME, MOST_REASON, one_line

SAY_AGAIN = 10.0  # seconds between two lines on one trouble


class CallSite(NamedTuple):
    """A line of the user's code."""

    file: str
    line: int

    def __str__(self) -> str:
        if not self.line:
            return "a background object"
        return one_line(f"{self.file.removeprefix(start_folder())}:{self.line}", MOST_NAME)

    @property
    def in_short(self) -> str:
        """Without the folder; where a thread was begun with what asks, nobody knows by whom."""
        return f"{self.file.rpartition(os.sep)[2]}:{self.line}" if self.line else "a thread"


@cache
def start_folder() -> str:
    """With a separator; as it was when this was first asked, which is not on an event loop. Empty if it was gone."""
    try:
        return os.getcwd() + os.sep  # noqa: PTH109 - as text
    except FileNotFoundError:
        return ""


UNKNOWN = CallSite("", 0)
MOST = 50
"""Warnings about one line, at most: what names a value that differs each time must not fill the log."""


def call_site(caller: FrameType | None = None) -> CallSite:
    """The innermost line that is neither the framework's, nor a server's, nor ours: at `caller`, or further out.

    Without `caller` it is looked for on the whole stack of this thread.
    """
    frame: FrameType | None = caller or sys._getframe(1)
    while frame is not None:
        if not is_hosts(str(frame.f_globals.get("__name__", ""))):
            return CallSite(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return UNKNOWN


class Warnings:
    """Says each thing once per call site. One per app."""

    def __init__(self) -> None:
        self.once = Once(MOST)  # what is true of the whole app
        self._said: defaultdict[CallSite, set[str]] = defaultdict(set)
        self._complaints = 0
        self._next_complaint = 0.0

    def complain(self, sentence: str) -> None:
        """Log what goes wrong for each request for as long as it does: the first time, then now and then, counted."""
        self._complaints += 1
        if time.monotonic() >= self._next_complaint:
            self._next_complaint = time.monotonic() + SAY_AGAIN
            requests.TasksNotStored(one_line(sentence, MOST_REASON), self._complaints).tell()
            self._complaints = 0

    def is_well(self) -> None:
        """It does not go wrong now: say how often it did since that was last said."""
        if self._complaints and time.monotonic() >= self._next_complaint:
            requests.StoredAgain(self._complaints).tell()
            self._complaints = 0

    def say(self, site: CallSite, sentence: str) -> None:
        """Log `sentence` unless it was said about `site` before, or that has had its share.

        One line may add many functions, such as a project's own `later(tasks, f, *args)`.
        """
        line, said = one_line(sentence, MOST_REASON), self._said[site]
        if line not in said and len(said) < MOST:
            said.add(line)
            requests.SiteWarned(str(site), line, is_last=len(said) == MOST).tell()
