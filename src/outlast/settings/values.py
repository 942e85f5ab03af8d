"""What a value of a setting may be, and what is made of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from outlast.tasks.options import size_of
from outlast.text import as_text

_SPELLINGS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "on", "1", "t", "y"), True),
    **dict.fromkeys(("false", "no", "off", "0", "f", "n"), False),
}


def _yes_or_no(value: Any) -> bool | None:
    """What a yes or no in any of the common spellings means; None for anything else."""
    return _SPELLINGS.get(as_text(value).strip().lower())


def _truth(value: Any) -> bool:
    """The same. Raises ValueError for anything else."""
    meant = _yes_or_no(value)
    if meant is None:
        raise ValueError(value)
    return meant


def _text(value: Any) -> str:
    """A text, a path, or a number as a release may have one. Raises ValueError or TypeError for anything else."""
    if isinstance(value, bool):
        raise ValueError(value)
    return as_text(value) if isinstance(value, (str, int, float)) else str(os.fspath(value))


def _truth_or_text(value: Any) -> str:
    """The same as `true` or `false`, for a setting that may also be something else."""
    meant = _yes_or_no(value)
    return _text(value) if meant is None else str(meant).lower()


def _number(value: Any) -> float:
    """Raises ValueError or TypeError for what is no number, as a yes or no is none."""
    if isinstance(value, bool):
        raise ValueError(value)
    return float(value)


def _whole(value: Any) -> int:
    """Raises ValueError or TypeError for what is no whole number."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(value)
    return int(value)


def _names_in(value: Any) -> tuple[str, ...]:
    """The names in a list of them, or in a text with commas between them. Raises ValueError for anything else."""
    given = value.split(",") if isinstance(value, str) else list(value)
    if not all(isinstance(one, str) for one in given):
        raise ValueError(value)
    return tuple(filter(None, map(str.strip, given)))


def _table_in(value: Any) -> dict[str, Any]:
    """A table, or a text that has it as JSON. Raises ValueError or TypeError for anything else."""
    given = json.loads(value) if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        raise ValueError(value)
    return {as_text(name): one for name, one in given.items()}


def _tables_in(value: Any) -> dict[str, dict[str, Any]]:
    """Tables by name, as a table."""
    return {name: dict(one) for name, one in _table_in(value).items()}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: what makes one of what is given, and what to say where nothing can."""

    read: Callable[[Any], Any]
    wanted: str


SIZE = Kind(size_of, "a size, in bytes or such as 512M, of a pebibyte at most")
APP = Kind(_text, "text such as 'main:app'; the app itself comes first: outlast.install(app)")
LIFESPAN = Kind(_truth_or_text, "true, false, or text such as 'main:lifespan_of_tasks'")
BY_TYPE: Mapping[str, Kind] = {
    "str": Kind(_text, "text"),
    "int": Kind(_whole, "a whole number"),
    "float": Kind(_number, "a number"),
    "bool": Kind(_truth, "true or false"),
    "tuple[str, ...]": Kind(_names_in, "names, as a list or with commas between them"),
    "Mapping[str, Any]": Kind(_table_in, 'a table of options, or JSON such as {"retries": 3}'),
    "Mapping[str, Mapping[str, Any]]": Kind(
        _tables_in, 'a table of queues, or JSON such as {"mail": {"concurrency": 4}}'
    ),
}
