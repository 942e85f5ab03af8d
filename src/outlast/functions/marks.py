"""What JSON does not say of a value by itself: the zone of a moment, and the type that no annotation tells.

It is stored beside the arguments, by mark, with the places of the values in them:

    {"file": "/tmp/a", "at": "2026-03-28T12:00:00+01:00", "@marks": {"Path": [["file"]], "zone Europe/Paris": [["at"]]}}

A mark is one of the few that are listed here: a row can name no other type.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, TypeAdapter
from pydantic_core import to_json

from outlast.functions.stashes import STASHED, found
from outlast.functions.values import leaves, meant_type, replaced
from outlast.tasks.redaction import FIELD, OF_SECRETS

Places = Sequence[Sequence[str | int]]
Marks = Mapping[str, Places]

_ZONE = "zone "
_FOLD = "fold"
_TYPES: Mapping[str, type] = {
    "Path": type(Path()),
    "UUID": UUID,
    "Decimal": Decimal,
    "bytes": bytes,
    "datetime": datetime,
    "date": date,
    "time": time,
    "timedelta": timedelta,
}
_BYTES = ConfigDict(val_json_bytes="base64")
_NAMES = {cls: name for name, cls in _TYPES.items()}


def marks_of(sent: object, back: object) -> dict[str, list[list[str | int]]]:
    """The marks with which `back`, what JSON made of `sent`, becomes the same again, as far as there are such."""
    found: dict[str, list[list[str | int]]] = {}
    for place, one, other in leaves(sent, back):
        if all(type(key) in (str, int) for key in place):
            for mark in _marks(one, other):
                found.setdefault(mark, []).append(list(place))
    return found


def restored(value: Any, marks: Marks) -> Any:
    """`value`, changed in place, with what `marks` say of it. A place that is gone with older code is passed over.

    Raises ValueError or LookupError for a mark, a zone or a text that means nothing here.
    """
    for mark in sorted(marks, key=_turn):
        change = _change(mark)
        for place in marks[mark]:
            value = replaced(value, place, change)
    return value


def read_marks(stored: Any) -> Marks:
    """The marks that were stored. Raises ValueError for what cannot be any."""
    return _marks_reader().validate_python(stored)


@lru_cache
def _marks_reader() -> TypeAdapter[Marks]:
    return TypeAdapter(dict[str, list[list[str | int]]], config=ConfigDict(strict=True))


def marked(text: str, marks: Marks) -> str:
    """A JSON object with `marks` beside what is in it."""
    if not marks:
        return text
    return f"{text[:-1]}{',' * (text != '{}')}{json.dumps(FIELD)}:{json.dumps(marks, separators=(',', ':'))}}}"


def _marks(sent: object, back: object) -> Iterator[str]:
    name = _NAMES.get(meant_type(sent))
    if name is not None and type(back) is str:
        yield name
    zone = sent.tzinfo if isinstance(sent, (datetime, time)) else None
    if isinstance(zone, ZoneInfo) and zone.key is not None:
        yield f"{_ZONE}{zone.key}"
    if isinstance(sent, (datetime, time)) and sent.fold and sent.utcoffset() is None:
        yield _FOLD


def _turn(mark: str) -> int:
    """A type comes first: the zone belongs to what it makes, and the fold to what is in the zone."""
    return 2 if mark == _FOLD else int(mark.startswith(_ZONE))


def _change(mark: str) -> Callable[[Any], Any]:
    if mark.startswith(_ZONE):
        return partial(_in_zone, zone=ZoneInfo(mark.removeprefix(_ZONE)))
    if mark == STASHED:
        return found
    if mark == OF_SECRETS:  # is for those who look at the journal
        return lambda value: value
    return _folded if mark == _FOLD else _reader(_TYPES[mark])


@lru_cache
def _reader(cls: type) -> Callable[[Any], Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(cls, config=_BYTES)
    return lambda value: adapter.validate_json(to_json(value)) if isinstance(value, str) else value


def _in_zone(moment: Any, zone: ZoneInfo) -> Any:
    """The same time of day in `zone`; of the two that there are where the clock is set back, that of its offset."""
    if not isinstance(moment, (datetime, time)):
        return moment
    both = [moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    return next((one for one in both if one.utcoffset() == moment.utcoffset()), both[0])


def _folded(moment: Any) -> Any:
    """The second of the two moments of that time, once it is in a zone where the clock is set back."""
    return moment.replace(fold=1) if isinstance(moment, (datetime, time)) else moment
