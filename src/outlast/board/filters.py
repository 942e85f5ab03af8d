"""Which tasks a page shows, as its URL says: to be sent to somebody, and kept as a bookmark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import ImmutableMultiDict

from outlast.errors import TaskNotFound
from outlast.ids import number_of, shown
from outlast.journal.survey import Cursor, Search
from outlast.tasks.task import State
from outlast.text import MOST_NAME, one_line

SINCE = {"10m": "10 minutes", "1h": "hour", "1d": "day", "7d": "7 days"}
_UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0}
_STATES = {state.label: state for state in State}
_CURSOR = re.compile(r"(\d{1,12}(?:\.\d{1,17})?)-([0-9a-z]{13})")
_TEXTS = ("name", "key", "text", "queue")
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Filter:
    """What stands in the URL, made clean; see `Search`."""

    states: tuple[str, ...] = ()
    name: str = ""
    key: str = ""
    text: str = ""
    since: str = ""
    queue: str = ""

    @classmethod
    def of(cls, query: ImmutableMultiDict[str, str]) -> Filter:
        """What is no filter is left out."""
        states = tuple(dict.fromkeys(one for one in query.getlist("state") if one in _STATES))
        name, key, text, queue = (one_line(query.get(field, "").strip(), MOST_NAME) for field in _TEXTS)
        since = query.get("since", "")
        return cls(states, name, key, text, since if since in SINCE else "", queue)

    def pairs(self) -> Pairs:
        """For a URL or a form."""
        texts = (("name", self.name), ("key", self.key), ("text", self.text), ("queue", self.queue))
        more = (*texts, ("since", self.since))
        return [*(("state", one) for one in self.states), *((name, value) for name, value in more if value)]

    def search(self, now: float) -> Search:
        """What a journal is asked."""
        since = now - float(self.since[:-1]) * _UNITS[self.since[-1]] if self.since else 0.0
        return Search(
            tuple(_STATES[one] for one in self.states), self.name, self.key, self.text, since, queue=self.queue
        )

    def in_words(self) -> str:
        """Which tasks are meant."""
        parts = [
            " or ".join(self.states),
            self.name and f"whose function has {self.name} in it",
            self.key and f"with the key {self.key}",
            self.queue and f"in queue {self.queue}",
            self.text and f"with {self.text} in them",
            self.since and f"of the last {SINCE[self.since]}",
        ]
        return ", ".join(filter(None, parts)) or "all"


def cursor_of(text: str) -> Cursor | None:
    """Where a page begins; None for the first one, and for what is no place."""
    found = _CURSOR.fullmatch(text)
    if not found:
        return None
    try:
        return Cursor(float(found[1]), number_of(found[2]))
    except TaskNotFound:
        return None


def cursor_text(cursor: Cursor | None) -> str:
    """For a URL; empty for none."""
    return f"{cursor.at!r}-{shown(cursor.id)}" if cursor is not None else ""


def numbers_of(ids: Sequence[str]) -> list[int]:
    """Of those that are ids of tasks, each once."""
    found: dict[int, None] = {}
    for one in ids:
        try:
            found[number_of(one)] = None
        except TaskNotFound:
            continue
    return list(found)
