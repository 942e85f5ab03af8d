"""How far an attempt has come, as its own code says."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from outlast.text import one_line

MOST_NOTE = 200  # characters
MOST_CHECKPOINT = 64 * 1024  # bytes of JSON


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total`, in whatever is counted. total: None where it is not known. note: one line."""

    done: float
    total: float | None = None
    note: str = ""

    @classmethod
    def of(cls, done: Any, total: Any, note: str) -> Progress:
        """As somebody says it. Raises ValueError for what is no finite number."""
        try:
            return cls(_finite(done), None if total is None else _finite(total), note)
        except (TypeError, ValueError, OverflowError):
            wrong = f"progress is {done!r:.100} of {total!r:.100}, but both have to be finite numbers"
            raise ValueError(wrong) from None

    @property
    def share(self) -> float | None:
        """From 0 to 1, None where the total is not known."""
        return min(1.0, max(0.0, self.done / self.total)) if self.total else None

    def __str__(self) -> str:
        of = "" if self.total is None else f" of {_number(self.total)}"
        share = "" if self.share is None else f" ({self.share:.0%})"
        return f"{_number(self.done)}{of}{share}{self.note and f', {self.note}'}"

    def text(self) -> str:
        """As JSON."""
        return json.dumps([self.done, self.total, one_line(self.note, MOST_NOTE)])

    @classmethod
    def read(cls, text: str) -> Progress:
        """What `text` has written. Raises ValueError or TypeError for anything else."""
        try:
            done, total, note = json.loads(text)
        except RecursionError:
            raise ValueError("progress is nested too deeply") from None
        return cls.of(done, total, one_line(note, MOST_NOTE))


def _finite(said: Any) -> float:
    """Raises TypeError, ValueError or OverflowError for what is no such number."""
    number = float(said)
    if not math.isfinite(number):
        raise ValueError(number)
    return number


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.6g}"
