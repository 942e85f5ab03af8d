"""What became of the tasks of a cell. Pure: what was seen in, words out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

NOTICEABLE = 2.0  # seconds without an answer; a busy machine alone takes some tenths


class Fate(Enum):
    """Of one innocent task."""

    FINISHED = "finished"
    AGAIN = "run again"
    TWICE = "run twice"
    LOST = "lost"
    REFUSED = "refused (503)"
    NOT_RUN = "not run"
    UNWANTED = "run all the same"


@dataclass(frozen=True, slots=True)
class Innocent:
    """A task beside the culprit: the status of its request's answer, how often it has begun, and run to its end."""

    name: str
    status: int
    begins: int
    runs: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen in a cell; times in seconds.

    boot: from the server's start until it answered; hung: the longest that one request waited for a living web worker;
    away: the longest that there was none; starts: how often the server was started;
    is_same_worker: whether the web worker of the beginning still answered in the end.
    """

    innocents: tuple[Innocent, ...]
    boot: float
    hung: float
    away: float
    starts: int
    is_same_worker: bool
    seconds: float


def fate(innocent: Innocent, *, is_wanted: bool = True) -> Fate:
    """`is_wanted` is false for a task that shall not run, since its request failed."""
    if not is_wanted:
        return Fate.UNWANTED if innocent.begins else Fate.NOT_RUN
    if innocent.status == 503 and not innocent.begins:
        return Fate.REFUSED
    if not innocent.runs:
        return Fate.LOST
    if innocent.runs > 1:
        return Fate.TWICE
    return Fate.AGAIN if innocent.begins > 1 else Fate.FINISHED


def seconds_hung(evidence: Evidence) -> float:
    """How long the web server was there and gave no answer; 0 when it was not worth a word."""
    return evidence.hung if evidence.hung >= NOTICEABLE else 0.0


def in_words(fates: Sequence[tuple[str, Fate]], hung: float) -> str:
    """`fates` by name of the task; one word where all have the same."""
    if len({one for _, one in fates}) == 1:
        fates = [("", fates[0][1])]
    words = ", ".join(f"{name} {_word(one)}".strip() for name, one in fates)
    return f"{words}; hung {hung:.1f} s" if hung else words


def _word(one: Fate) -> str:
    return f"**{one.value}**" if one is Fate.LOST else one.value
