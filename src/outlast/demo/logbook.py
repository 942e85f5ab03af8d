"""What a server's log tells: which worker took a request, which task finished, which worker went away."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class What(Enum):
    ACCEPTED = "a worker began to answer the request"
    FINISHED = "the task wrote that it has finished"
    TIMEOUT = "gunicorn found the worker silent and kills it"
    GONE = "the worker's process has ended"
    BOOTED = "gunicorn started a worker"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One line of a server's log that matters here. `at`: when it arrived, in seconds of the demo's clock."""

    at: float
    what: What
    pid: int
    action: int | None = None


_PATTERNS = (
    (What.ACCEPTED, re.compile(r"\[(?P<pid>\d+)\] \[INFO\] Started GET /\?action=(?P<action>\d)$")),
    (What.FINISHED, re.compile(r"\[(?P<pid>\d+)\] \[WARNING\] Action (?P<action>\d) finished\b")),
    (What.TIMEOUT, re.compile(r"\[CRITICAL\] WORKER TIMEOUT \(pid:(?P<pid>\d+)\)")),
    (What.GONE, re.compile(r"\] Worker \(pid:(?P<pid>\d+)\) (?:was sent SIG|exited with code)")),
    (What.GONE, re.compile(r"\[INFO\] Worker exiting \(pid: (?P<pid>\d+)\)")),
    (What.BOOTED, re.compile(r"\[INFO\] Booting worker with pid: (?P<pid>\d+)")),
)
_SMALL = re.compile(r"\[INFO\] (?:Started|Completed) GET /(?: with \d+)?$")
_ADDRESS = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)")


def read(at: float, line: str) -> Sighting | None:
    """What `line`, which arrived at `at`, tells; None for all the lines that do not matter here."""
    for what, pattern in _PATTERNS:
        if match := pattern.search(line):
            action = match.groupdict().get("action")
            return Sighting(at, what, int(match["pid"]), int(action) if action else None)
    return None


def is_of_small_request(line: str) -> bool:
    """Whether the app wrote `line` for one of the small requests, of which there are hundreds."""
    return _SMALL.search(line) is not None


def port_in(line: str) -> int | None:
    """The port that gunicorn was given by the system, from the line in which it says so."""
    match = _ADDRESS.search(line)
    return int(match[1]) if match else None
