"""Why an argument cannot travel to another process: which one, what it is, and what to pass instead."""

from __future__ import annotations

import inspect
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_json

from outlast.errors import NotStorable
from outlast.events.words import an
from outlast.functions.kinds import Kind, kind_of
from outlast.functions.values import Place, follow, parts, shown_place, walk
from outlast.tasks.options import is_option
from outlast.text import in_brief

FAILURES = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError)
"""What the user's own validators, serializers and comparisons may raise on the way to JSON and back."""


_BYTES = Kind(
    "bytes that are not UTF-8 text",
    "pass them as a `bytes` parameter, or give the model ser_json_bytes='base64' and val_json_bytes='base64'",
)


def _culprit(value: object) -> tuple[Place, Kind] | None:
    """The first thing inside `value` that cannot be written as JSON, and the way to it."""
    for place, inner in walk(value):
        kind = kind_of(inner) or _kind_of_leaf(inner)
        if kind is not None:
            return place, kind
    return None


def _kind_of_leaf(value: object) -> Kind | None:
    if isinstance(value, (str, int, float)) or parts(value) is not None:
        return None
    try:
        to_json(value)
    except FAILURES:
        return _BYTES if isinstance(value, bytes) else _instance(value)
    return None


def _instance(value: object) -> Kind:
    cls = type(value)
    name = f"an instance of {cls.__module__}.{cls.__qualname__}"
    return Kind(name, "pass the values that it is made of and make it inside the function")


class Refusals:
    """The refusals of one function. Each method returns the error to raise. No argument's value is shown."""

    def __init__(self, function: str, hints: Mapping[str, Any], is_own: Callable[[], bool]) -> None:
        """`is_own`: whether the project has written the function, so that it can be told to annotate it."""
        self._function = function
        self._hints = hints
        self._is_own = is_own

    def unbindable(self, signature: inspect.Signature, names: Collection[str], error: TypeError) -> NotStorable:
        """The call has an argument too many or too few. names: of those that are given by name."""
        takes_any = any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values())
        option = next((one for one in names if one not in signature.parameters and is_option(one)), None)
        if option is not None and not takes_any:
            return self._because(
                f"it has no parameter {option!r}: options stand before the call, "
                f"tasks.options({option}=...).add_task(...) or outlast.options({option}=...).enqueue(...)"
            )
        return self._because(f"{error}; call it as its signature says: {signature}")

    def too_large(self, size: int, limit: int) -> NotStorable:
        """The arguments are more bytes of JSON than a journal should hold."""
        shown_size = max(size / 1024**2, limit / 1024**2 + 0.01)
        return self._because(
            f"its arguments are {shown_size:.2f} MiB of JSON, more than the {limit / 1024**2:.0f} MiB "
            "that a task may have: store the data and pass its key or path"
        )

    def of_kind(self, name: str, place: Place, kind: Kind) -> NotStorable:
        """Parameter `name` is, or has inside at `place`, something that belongs to this process."""
        where = f"holds {kind.what} at `{shown_place((name, *place))}`" if place else f"is {kind.what}"
        return self.about(name, f"{where}, which cannot travel to another process: {kind.remedy}")

    def unfit(self, given: Mapping[str, Any], error: ValidationError) -> NotStorable:
        """An argument is not what its annotation says."""
        name, place, value, message = _blamed(given, error)
        kind = kind_of(value)
        if kind is not None:
            return self.of_kind(name, place, kind)
        where = f", has {_a(value)} at `{shown_place((name, *place))}`" if place else f" but was given {_a(value)}"
        return self.about(name, f"is annotated `{self._hint(name)}`{where}: {message}; pass what the annotation says")

    def no_function(self, name: str, value: object) -> NotStorable:
        """Something else is passed where a function is wanted."""
        return self.about(name, f"is annotated `{self._hint(name)}` but was given {_a(value)}: pass a function")

    def unnamed(self, error: Exception) -> NotStorable:
        """A function that is passed has no name which a row may have, or its name leads nowhere now."""
        return self._because(f"is passed a function that cannot be stored: {error}")

    def unwritable(self, name: str, value: object, error: Exception) -> NotStorable:
        """Parameter `name` cannot be written as JSON."""
        found = _culprit(value)
        if found is not None:
            return self.of_kind(name, *found)
        return self.about(name, f"is {_a(value)} that cannot be written as JSON ({in_brief(error)}): {_SIMPLER}")

    def unreadable(self, given: Mapping[str, Any], error: ValidationError) -> NotStorable:
        """What is written for an argument is not read back, such as what a serializer of the user's made."""
        name, place, value, message = _blamed(given, error)
        found = _culprit(value)
        if found is not None:
            return self.of_kind(name, (*place, *found[0]), found[1])
        fault = _fault_inside(given[name])
        if fault:
            return self.about(name, f"is or holds a model that JSON does not bring back ({fault[0]}): {fault[1]}")
        where = f" at `{shown_place((name, *place))}`" if place else ""
        return self.about(name, f"is {_a(given[name])} that does not read its own JSON{where} ({message}): {_SIMPLER}")

    def uncheckable(self, error: Exception) -> NotStorable:
        """The user's own code failed while an argument was read back or compared."""
        return self._because(f"its arguments cannot be checked ({in_brief(error)}): {_SIMPLER}")

    def changed(self, sent: Mapping[str, Any], back: Mapping[str, Any], place: Place) -> NotStorable:
        """What was read back at `place` is not what was sent. The first step of `place` is the parameter."""
        name, *inner = place
        way, value = follow(sent[name], inner)
        kind = kind_of(value)
        if kind is not None:
            return self.of_kind(name, way, kind)
        loss = _loss(follow(sent[name], way[:-1])[1], way[-1] if way else None, value)
        return self.about(name, self._change(name, way, (value, follow(back[name], way)[1]), loss))

    def _change(self, name: str, way: Place, both: tuple[object, object], loss: str) -> str:
        sent, back = both
        where = f"has {_a(sent)} at `{shown_place((name, *way))}`" if way else f"is {_a(sent)}"
        if type(sent) is type(back):
            return f"{where} that comes back with another value ({loss}"
        loss = f"{where}, which would come back as {_a(back)}"
        if not self._is_own():
            return f"{loss}: pass {_a(back)}, or call it from a function of your own, whose parameters are annotated"
        if self._hints.get(name) is Any and not way:
            return f"{loss}: annotate it, `{name}: {_name(sent)}`"
        if isinstance(sent, type(back)) or not way:
            return f"{loss}: annotate it as {_name(sent)}, or pass {_a(back)}"
        return f"{loss}: annotate what is inside, or pass {_a(back)}"

    def _hint(self, name: str) -> str:
        return inspect.formatannotation(self._hints[name]).removeprefix("typing.")

    def about(self, name: str, sentence: str) -> NotStorable:
        """What `sentence` says of parameter `name`."""
        return self._because(f"parameter `{name}` {sentence}")

    def _because(self, sentence: str) -> NotStorable:
        return NotStorable(f"{self._function}: {sentence}")


def _blamed(given: Mapping[str, Any], error: ValidationError) -> tuple[str, Place, Any, str]:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name, *inner = first["loc"] or (next(iter(given)),)
    way, value = follow(given[str(name)], inner)
    return str(name), way, value, first["msg"]


_SIMPLER = "pass plain values instead"


def _loss(holder: object, key: object, value: object) -> str:
    """Why `value`, at `key` of `holder`, does not come back as it was, in brackets, and what to do about it."""
    zone = next((moment.tzinfo for _, moment in walk(value) if _is_in_a_moving_zone(moment)), None)
    if isinstance(zone, ZoneInfo) and zone.key is not None:
        return "its time zone is lost inside a set or behind such a key): pass it in a list, or in UTC"
    if zone is not None:
        return f"its time zone, {_a(zone)}, becomes a fixed offset): use zoneinfo.ZoneInfo, which is kept, or UTC"
    field = type(holder).model_fields.get(str(key)) if isinstance(holder, BaseModel) else None
    fault = _fault(holder, str(key), field) if isinstance(holder, BaseModel) and field else None
    cause, remedy = fault or (_lost_by(holder, value), _SIMPLER)
    return f"{cause}): {remedy}"


def _lost_by(holder: object, value: object) -> str:
    if isinstance(value, (deque, defaultdict)):
        return "its maxlen or default_factory is lost"
    if isinstance(value, dict):
        return "a key is not a str, or a validator or serializer changes it"
    of_model = " it is private, or" if isinstance(holder, BaseModel) else ""
    return f"{of_model} a validator or serializer changes it".strip()


def _is_in_a_moving_zone(value: object) -> bool:
    zone = value.tzinfo if isinstance(value, (datetime, time)) else None
    return zone is not None and zone.utcoffset(None) is None


def _fault_inside(value: object) -> tuple[str, str] | None:
    """What is wrong with the first field of a model that JSON does not have under the name it is read by."""
    models = (inner for _, inner in walk(value) if isinstance(inner, BaseModel))
    faults = (_fault(model, name, field) for model in models for name, field in type(model).model_fields.items())
    return next(filter(None, faults), None)


def _fault(model: BaseModel, name: str, field: FieldInfo) -> tuple[str, str] | None:
    """Why JSON does not bring a field back, as its declaration says, and the remedy."""
    of_model = f"field `{name}` of {type(model).__qualname__}"
    if field.exclude:
        return f"{of_model} is excluded from JSON", _SIMPLER
    written, read = field.serialization_alias or name, _names_read(model, name, field)
    if written in read:
        return None
    by = f"`{read[0]}`" if read else "a path of names"
    return f"{of_model} is written as `{written}` and read as {by}", "give it one `alias` for both"


def _names_read(model: BaseModel, name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias or name]
    by_name = any(model.model_config.get(one) for one in ("populate_by_name", "validate_by_name"))
    return [*(one for one in choices if isinstance(one, str)), *([name] if by_name else [])]


def _a(value: object) -> str:
    if value is None:
        return "None"
    return an(_name(value))


def _name(value: object) -> str:
    return "Path" if isinstance(value, Path) else type(value).__qualname__


def takes_too_few(function: str, count: int) -> NotStorable:
    """What runs before it gives so many arguments, by their place."""
    what = "an argument" if count == 1 else f"{count} arguments"
    return NotStorable(
        f"{function}: what runs before it gives it {what} by place, and it takes fewer: give it a parameter for "
        "that, or make the call by `.si(...)`, which gets nothing"
    )


def outdated(function: str, error: ValidationError) -> NotStorable:
    """They are not those that the function takes now."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = f" at `{shown_place(first['loc'])}`" if first["loc"] else ""
    return NotStorable(
        f"{function}: its stored arguments do not fit its parameters{where} ({first['msg']}). They were stored for "
        "another version of it, or are what the task before it in a sequence has returned: if so, add the task anew"
    )


def unknown_mark(function: str, error: Exception) -> NotStorable:
    """What is stored beside them about their types and time zones means nothing here."""
    return NotStorable(
        f"{function}: its stored arguments need what is not known here ({in_brief(error)}): "
        "install tzdata if it is a time zone; else they were stored by another version, so add the task anew"
    )
