"""What a value is made of, and where two values that should be the same are not."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from outlast.text import is_a, module_of_class

Place = tuple[Any, ...]
"""The keys, indexes and field names that lead from a value to something inside it."""

_STOPPED: Mapping[str, type] = {"FakeDatetime": datetime, "FakeDate": date}
ATOMS = frozenset({str, int, bool, float, type(None), bytes})


def parts(value: object) -> Mapping[Any, Any] | None:
    """What is directly inside `value`, by key, index or field name; None when it is not a container."""
    if is_a(value, dict):
        return value
    if is_a(value, (list, tuple, deque)):
        return dict(enumerate(value))
    if is_a(value, (set, frozenset)):
        return {element: element for element in value}
    if is_a(value, BaseModel):
        return _parts_of_model(value)
    if is_dataclass(kind := type(value)):
        return {field.name: getattr(value, field.name, None) for field in fields(kind)}
    return None


def _parts_of_model(model: BaseModel) -> Mapping[str, Any]:
    declared = type(model).model_fields
    # Not all of __dict__: a cached_property lives there too, and is made anew where the task runs.
    found = {name: value for name, value in vars(model).items() if name in declared}
    return {**found, **(model.__pydantic_extra__ or {}), **(model.__pydantic_private__ or {})}


def difference(sent: object, back: object) -> Place | None:
    """The way to the first place where `back` differs in type or value from `sent`; None when there is none.

    An int that came back as an equal float is the same, since an annotation `float` allows it. NaN is the
    same as NaN. Moments are the same when their offset from UTC is, and where that changes with the date, their
    zone too: the name of a fixed offset may be lost.
    """
    if type(sent) is not type(back) and meant_type(sent) is not type(back):
        return None if type(sent) is int and type(back) is float and sent == back else ()
    if type(sent) in ATOMS:
        return None if sent == back or repr(sent) == repr(back) == "nan" else ()
    inside, inside_back = parts(sent), parts(back)
    if inside is None or inside_back is None:
        return None if _equal(sent, back) else ()
    return _difference_inside(inside, inside_back) if _fill_alike(sent, back) else ()


def meant_type(value: object) -> type:
    """Its class; of a moment of a clock that a test has stopped, that which it stands for."""
    cls = type(value)
    return _STOPPED.get(cls.__name__, cls) if module_of_class(cls).startswith("freezegun.") else cls


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


def _fill_alike(sent: object, back: object) -> bool:
    """Whether containers treat alike what comes to them next, which no comparison looks at."""
    if isinstance(sent, deque) and isinstance(back, deque):
        return sent.maxlen == back.maxlen
    if isinstance(sent, defaultdict) and isinstance(back, defaultdict):
        return sent.default_factory is back.default_factory
    return True


def _equal(sent: object, back: object) -> bool:
    if isinstance(sent, (datetime, time)) and isinstance(back, (datetime, time)):
        return sent == back and _offset(sent) == _offset(back) and _zone(sent.tzinfo) == _zone(back.tzinfo)
    return bool(sent == back)


def _offset(moment: datetime | time) -> object:
    """From UTC; of a naive moment, which of the two it is where the clock is set back."""
    offset = moment.utcoffset()
    return moment.fold if offset is None else offset


def _zone(zone: tzinfo | None) -> object:
    """What tells a zone from others: its key, or its offset where it has one only."""
    if isinstance(zone, ZoneInfo) and zone.key is not None:
        return zone.key
    fixed = zone.utcoffset(None) if zone is not None else None
    return zone if fixed is None else fixed


def leaves(sent: object, back: object, place: Place = ()) -> Iterator[tuple[Place, Any, Any]]:
    """What is inside both values at the same place and has nothing inside itself in both, with the way to it."""
    inside, inside_back = parts(sent), parts(back)
    if inside is None or inside_back is None:
        yield place, sent, back
        return
    for key, part in inside.items():
        if key in inside_back:
            yield from leaves(part, inside_back[key], (*place, key))


def replaced(value: Any, place: Sequence[Any], change: Callable[[Any], Any]) -> Any:
    """`value` with `change` made to what is at `place` inside it, if there is anything."""
    if not place:
        return change(value)
    key, *rest = place
    try:
        made = replaced(_part(value, key), rest, change)
    except _NoSuchPlace:
        return value
    if isinstance(value, tuple):
        items = [*value[:key], made, *value[key + 1 :]]
        return type(value)._make(items) if hasattr(value, "_make") else tuple(items)
    if isinstance(value, (dict, list, deque)):
        value[key] = made
    else:
        _set_field(value, key, made)
    return value


class _NoSuchPlace(Exception):
    """A place leads nowhere, such as into what older code had."""


def _part(value: Any, key: Any) -> Any:
    try:
        if isinstance(value, (dict, list, tuple, deque)):
            return value[key]
        return _fields(value)[key]
    except (LookupError, TypeError):
        raise _NoSuchPlace from None


def _fields(value: object) -> Mapping[Any, Any]:
    return {} if isinstance(value, (set, frozenset)) else parts(value) or {}


def _set_field(value: Any, name: str, made: object) -> None:
    """Of a model or dataclass, without its validators, and although it may be frozen."""
    for holder in (value.__pydantic_extra__, value.__pydantic_private__) if isinstance(value, BaseModel) else ():
        if holder is not None and name in holder:
            holder[name] = made
            return
    object.__setattr__(value, name, made)


def walk(value: object, *, atoms: bool = True) -> Iterator[tuple[Place, Any]]:
    """Everything inside `value`, itself first, each with the way to it. A value may hold itself.

    atoms: whether numbers, texts, bytes and None inside it are given, too.
    """
    waiting: list[tuple[Place, Any]] = [((), value)]
    seen: set[int] = set()
    while waiting:
        place, inner = waiting.pop()
        if id(inner) in seen:
            continue
        seen.add(id(inner))
        yield place, inner
        inside = [(key, part) for key, part in (parts(inner) or {}).items() if atoms or type(part) not in ATOMS]
        waiting.extend(((*place, key), part) for key, part in reversed(inside))


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
