"""What a value is made of, and where two values that should be the same are not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

Place = tuple[Any, ...]
"""The keys, indexes and field names that lead from a value to something inside it."""

_ATOMS = frozenset({str, int, bool, float, type(None), bytes})


def parts(value: object) -> Mapping[Any, Any] | None:
    """What is directly inside `value`, by key, index or field name; None when it is not a container."""
    if isinstance(value, dict):
        return value
    if isinstance(value, (list, tuple)):
        return dict(enumerate(value))
    if isinstance(value, (set, frozenset)):
        return {element: element for element in value}
    if isinstance(value, BaseModel):
        return _parts_of_model(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in fields(value)}
    return None


def _parts_of_model(model: BaseModel) -> Mapping[str, Any]:
    declared = type(model).model_fields
    # Not all of __dict__: a cached_property lives there too, and is made anew where the task runs.
    found = {name: value for name, value in vars(model).items() if name in declared}
    return {**found, **(model.__pydantic_extra__ or {}), **(model.__pydantic_private__ or {})}


def difference(sent: object, back: object) -> Place | None:
    """The way to the first place where `back` differs in type or value from `sent`; None when there is none.

    An int that came back as an equal float is the same, since an annotation `float` allows it. NaN is the
    same as NaN. Moments are the same when their offset from UTC is: the name of a time zone may be lost.
    """
    if type(sent) is not type(back):
        return None if type(sent) is int and type(back) is float and sent == back else ()
    if type(sent) in _ATOMS:
        return None if sent == back or _both_nan(sent, back) else ()
    inside, inside_back = parts(sent), parts(back)
    if inside is None or inside_back is None:
        return None if _equal(sent, back) else ()
    return _difference_inside(inside, inside_back)


def _difference_inside(sent: Mapping[Any, Any], back: Mapping[Any, Any]) -> Place | None:
    if sent.keys() != back.keys() or not _same_kinds_of_keys(sent, back):
        return ()
    for key, value in sent.items():
        place = difference(value, back[key])
        if place is not None:
            return (key, *place)
    return None


def _same_kinds_of_keys(sent: Mapping[Any, Any], back: Mapping[Any, Any]) -> bool:
    """Whether equal keys are of the same type: 1, True and an IntEnum of 1 are equal."""
    kinds = {key: type(key) for key in back}
    return all(kinds[key] is type(key) for key in sent)


def _both_nan(sent: object, back: object) -> bool:
    return isinstance(sent, float) and isinstance(back, float) and math.isnan(sent) and math.isnan(back)


def _equal(sent: object, back: object) -> bool:
    if isinstance(sent, datetime) and isinstance(back, datetime):
        return sent == back and sent.utcoffset() == back.utcoffset()
    return bool(sent == back)


def walk(value: object) -> Iterator[tuple[Place, Any]]:
    """Everything inside `value`, itself first, each with the way to it. A value may hold itself."""
    waiting: list[tuple[Place, Any]] = [((), value)]
    seen: set[int] = set()
    while waiting:
        place, inner = waiting.pop()
        if id(inner) in seen:
            continue
        seen.add(id(inner))
        yield place, inner
        inside = parts(inner) or {}
        waiting.extend(((*place, key), part) for key, part in reversed(list(inside.items())))


def follow(value: object, place: Sequence[Any]) -> tuple[Place, Any]:
    """How far `place` leads into `value`, and what is there. Steps that lead nowhere end the way."""
    way: Place = ()
    for key in place:
        inside = parts(value) or {}
        if key not in inside:
            break
        way, value = (*way, key), inside[key]
    return way, value


def shown_place(place: Sequence[Any]) -> str:
    """A place as people write it: `order.items[2].price`."""
    steps = (f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]" for key in place)
    return "".join(steps).removeprefix(".")
