"""Tasks in a SQLite journal as people see them: which columns that takes, and the record that is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any

from outlast.ids import shown
from outlast.journal.read import Event, Record
from outlast.journal.sqlite import lines
from outlast.journal.sqlite.incidents import as_text
from outlast.journal.sqlite.reading import (
    RESERVED,
    STATE,
    WITH_GATES,
    WITH_HOMES,
    WITH_KEYS,
    WITH_PROGRESS,
    WITH_RESULTS,
)
from outlast.journal.sqlite.statements import QUEUE
from outlast.tasks.keys import MOST_KEY
from outlast.tasks.progress import Progress
from outlast.tasks.redaction import Redactor
from outlast.tasks.task import State
from outlast.text import LONGEST_PATH, MOST_NAME, MOST_REASON, clean, json_line, one_line

_TEXTS = {"lane": MOST_NAME, "function": LONGEST_PATH, "origin": MOST_NAME, "app": MOST_NAME, "release": MOST_NAME}
_TEXTS |= {"key": MOST_KEY, "queue": MOST_NAME, "held_back": MOST_NAME}
_LONG = ("function", "arguments", "origin", "reason", "context", "result", "progress")
_COMPUTED = {"state": STATE, "attempt": f"attempt - {RESERVED}", "ended_at": "iif(state = 7, NULL, ended_at)"}
_COMPUTED["run_at"] = "iif(state = 1 AND run_at > 0, run_at, NULL)"
_COMPUTED |= {"queue": QUEUE, "held_back": lines.HELD_BACK}
_SINCE = {"context": WITH_HOMES, "app": WITH_HOMES, "release": WITH_HOMES}
_SINCE |= {"key": WITH_KEYS, "result": WITH_RESULTS, "progress": WITH_PROGRESS}
_SINCE |= {"queue": WITH_GATES, "held_back": WITH_GATES}
_OF_ONE = ("events", "blocked", "runs_after", "then", "checkpoint")  # of one that is asked for
_NAMES = [one.name for one in fields(Record) if one.name not in _OF_ONE]
MOST_IN_TASK = 4 << 20  # bytes of one text, more than outlast stores


class Records:
    """Of a journal of that version. columns: what is asked for; ?1 is how many bytes of each text."""

    def __init__(self, version: int, redact: Iterable[str]) -> None:
        self.redactor = Redactor(redact)
        self.columns = ", ".join(_column(one) if version >= _SINCE.get(one, 0) else "NULL" for one in _NAMES)

    def record(self, row: Sequence[Any], events: tuple[Event, ...] = ()) -> Record:
        """What was stored clean is made clean again: whoever can write to the file can put anything there."""
        values = dict(zip(_NAMES, row, strict=True))
        values |= {name: one_line(as_text(values[name]), most) for name, most in _TEXTS.items()}
        arguments, context = (json_line(as_text(values[name]), MOST_IN_TASK) for name in ("arguments", "context"))
        values |= {
            "id": shown(values["id"]),
            "state": _label(values["state"]),
            "follows": "" if values["follows"] is None else shown(values["follows"]),
            "arguments": self.redactor.redacted(arguments),
            "reason": clean(as_text(values["reason"]), MOST_REASON),
            "context": self.redactor.redacted(context, by_path=True),
            "result": self.redactor.result(values["function"], json_line(as_text(values["result"]), MOST_IN_TASK)),
            "progress": _progress(as_text(values["progress"])),
        }
        return Record(**values, events=events)


def _column(name: str) -> str:
    """Text as bytes, at most ?1 of each: a row whose text is none hides no other, one of megabytes costs no more."""
    column = _COMPUTED.get(name, name)
    stored = f"CAST({column} AS BLOB)" if name in _TEXTS or name in _LONG else column
    return f"substr({stored}, 1, ?1)" if name in _LONG else stored


def _progress(text: str) -> Progress | None:
    """None also for what outlast does not write."""
    with suppress(ValueError, TypeError, OverflowError):
        return Progress.read(text) if text else None
    return None


def _label(state: int) -> str:
    return State(state).label if state in set(State) else f"unknown ({state})"
