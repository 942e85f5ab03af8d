"""Arguments to JSON text and back. What does not come back the same is refused at the call."""

from __future__ import annotations

import inspect
import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial
from types import GenericAlias
from typing import Any, Unpack, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import SchemaError

from outlast.callables import FUNCTION, Callables, Passed, asks_for_function, without_functions
from outlast.errors import NotStorable, TargetNotFound
from outlast.kinds import refused_at_sight
from outlast.marks import FIELD, Marks, marked, marks_of, read_marks, restored
from outlast.names import shown
from outlast.refusals import FAILURES, Refusals
from outlast.values import ATOMS, Place, difference

LARGEST = 1024 * 1024
"""Bytes of JSON that the arguments of one task may have."""

_CONFIG = ConfigDict(
    strict=True,
    extra="forbid",
    arbitrary_types_allowed=True,  # so that the refusal of such a value is worded here
    ser_json_bytes="base64",
    val_json_bytes="base64",
    ser_json_inf_nan="constants",
)


_MARKS = "marks"
_PLAIN = (str, int, bool)
_written_plainly = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Codec:
    """Writes the arguments of one function as JSON text and reads them back.

    Build it once per function: it makes a pydantic model from the signature, which takes about a millisecond.
    Only arguments that were given are stored: defaults are taken when the task runs, from the code that runs.
    `hints` has the type of what is bound to each parameter of `signature`. `callables` names functions that are
    passed as arguments.
    """

    def __init__(self, function: Callable[..., Any], callables: Callables | None = None) -> None:
        name = shown(function)
        self.signature = _signature(function, name)
        hints, required = _hints(function, self.signature), _required(self.signature)
        try:
            self._model = _model(hints, required)
        except _UNUSABLE:
            hints = {parameter: _usable(hint) for parameter, hint in hints.items()}
            self._model = _model(hints, required)
        self._parameters = dict(zip(self._model.model_fields, hints, strict=False))  # the marks come last
        callables = callables or Callables()
        self.refusals = Refusals(name, hints, is_own=partial(callables.is_own, function))
        self.hints = hints
        self._functions = {parameter for parameter, hint in hints.items() if asks_for_function(hint)}
        self.passed = Passed(self.signature, hints, callables)
        self._plain = {parameter: hint for parameter, hint in hints.items() if hint in _PLAIN}

    def encode(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """The arguments of one call as a JSON object by parameter name.

        Raises NotStorable, with the parameter and what to pass instead, for a call that does not fit the
        signature, for a value that is not what its annotation says or that would come back as something else,
        and for more than 1 MiB.
        """
        given = self._bound(args, kwargs)
        text = self._plainly(given) or self._carefully(given)
        size = len(text.encode())
        if size > LARGEST:
            raise self.refusals.too_large(size, LARGEST)
        return text

    def decode(self, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The `args` and `kwargs` of the call that was encoded as `text`.

        Raises NotStorable when `text` does not fit the signature, which then has changed since.
        """
        try:
            model = self._model.model_validate_json(text)
        except ValidationError as error:
            raise self.refusals.outdated(error) from None
        given = self._given(model)
        if _MARKS in model.model_fields_set:
            given = self._restored(given, getattr(model, _MARKS))
        bound = inspect.BoundArguments(self.signature, OrderedDict(given))
        return bound.args, bound.kwargs

    def _restored(self, given: dict[str, Any], stored: Any) -> dict[str, Any]:
        try:
            marks = read_marks(stored)
            values = restored(given, {mark: places for mark, places in marks.items() if mark != FUNCTION})
            return self.passed.found(values, marks.get(FUNCTION, ()))
        except TargetNotFound as error:
            raise self.refusals.unnamed(error) from error
        except (ValueError, LookupError, OSError) as error:  # OSError: of ZoneInfo, for the name of a folder
            raise self.refusals.unknown_mark(error) from None

    def _plainly(self, given: Mapping[str, Any]) -> str:
        """The text of arguments that are exactly what their annotations say and that JSON has itself; else empty.

        They need no proof, and most calls have no others.
        """
        if not all(type(value) is self._plain.get(name) for name, value in given.items()):
            return ""
        try:
            text = _written_plainly(given)
        except ValueError:  # an int of thousands of digits
            return ""
        return text if text.isascii() else ""

    def _carefully(self, given: Mapping[str, Any]) -> str:
        self._refuse_at_sight(given)
        named, places = self._named(given)
        text, marks = self._proven(named, self._validated(named))
        return marked(text, {**marks, FUNCTION: places} if places else marks)

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self.signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise self.refusals.unbindable(self.signature, error) from None

    def _refuse_at_sight(self, given: Mapping[str, Any]) -> None:
        """Before anything reads it: an iterator has to be whole still when the task runs inline instead."""
        for name, value in given.items():
            found = refused_at_sight(value) if type(value) not in ATOMS else None
            if found is not None:
                raise self.refusals.of_kind(name, *found)

    def refused_function(self, name: str, function: Callable[..., Any]) -> NotStorable | None:
        """Why `function` cannot be passed as parameter `name`, to which functions can be passed."""
        try:
            self.passed.named({name: function})
        except NotStorable as error:
            return self.refusals.unnamed(error)
        return None

    def _named(self, given: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Place]]:
        for name in self._functions & given.keys():
            if not callable(given[name]):
                raise self.refusals.no_function(name, given[name])
        try:
            return self.passed.named(given)
        except NotStorable as error:
            raise self.refusals.unnamed(error) from error

    def _validated(self, given: Mapping[str, Any]) -> BaseModel:
        try:
            return self._model.model_validate(given)
        except ValidationError as error:
            raise self.refusals.unfit(given, error) from None
        except FAILURES as error:
            raise self.refusals.uncheckable(error) from error

    def _proven(self, given: Mapping[str, Any], model: BaseModel) -> tuple[str, Marks]:
        """The JSON text of `model`, which was seen to give back what was given.

        The fields that were set on a user's model stay the only ones set, as an update by PATCH needs it.
        Where that loses something, such as what a default factory made or the tag of a union, all are written.
        """
        text = self._written(model, only_set=True)
        try:
            return self._proof(given, text)
        except NotStorable:
            whole = self._written(model, only_set=False)
            if whole == text:
                raise
        return self._proof(given, whole)

    def _proof(self, given: Mapping[str, Any], text: str) -> tuple[str, Marks]:
        """`text`, and the marks that it needs to give back what was given."""
        back = self._read_back(given, text)
        if self._difference(given, back) is None:
            return text, {}
        marks = marks_of(given, back)
        back = restored(back, marks)
        place = self._difference(given, back)
        if place is not None:
            raise self.refusals.changed(given, back, place)
        return text, marks

    def _written(self, model: BaseModel, *, only_set: bool) -> str:
        try:
            return _json(model, model.model_fields_set, only_set=only_set)
        except FAILURES as error:
            raise self._unwritable(model, error) from None

    def _unwritable(self, model: BaseModel, error: Exception) -> NotStorable:
        for field in model.model_fields_set:
            try:
                _json(model, {field}, only_set=True)
            except FAILURES:
                return self.refusals.unwritable(self._parameters[field], getattr(model, field), error)
        return self.refusals.uncheckable(error)

    def _read_back(self, given: Mapping[str, Any], text: str) -> dict[str, Any]:
        try:
            return self._given(self._model.model_validate_json(text))
        except ValidationError as error:
            raise self.refusals.unreadable(given, error) from None
        except FAILURES as error:
            raise self.refusals.uncheckable(error) from error

    def _difference(self, given: Mapping[str, Any], back: Mapping[str, Any]) -> Place | None:
        try:
            return difference(given, back)
        except FAILURES as error:
            raise self.refusals.uncheckable(error) from error

    def _given(self, model: BaseModel) -> dict[str, Any]:
        names = self._parameters
        return {names[field]: getattr(model, field) for field in model.model_fields_set if field in names}


def _json(model: BaseModel, fields: set[str], *, only_set: bool) -> str:
    return model.model_dump_json(include=fields, exclude_unset=only_set, by_alias=True, round_trip=True, warnings=False)


def _signature(function: Callable[..., Any], name: str) -> inspect.Signature:
    try:
        if sys.version_info >= (3, 14):
            from annotationlib import Format

            return inspect.signature(function, annotation_format=Format.FORWARDREF)
        return inspect.signature(function)
    except (TypeError, ValueError):
        raise NotStorable(f"{name} has no signature that can be read: call it from a function of your own") from None


def _hints(function: Callable[..., Any], signature: inspect.Signature) -> dict[str, Any]:
    """The type of what `signature.bind` puts into each parameter; Any where no annotation resolves."""
    code = inspect.getattr_static(function, "__init__") if isinstance(function, type) else inspect.unwrap(function)
    if not hasattr(code, "__globals__"):
        code = inspect.getattr_static(type(function), "__call__", None)
    namespace = getattr(code, "__globals__", {})
    return {name: _hint(parameter, namespace) for name, parameter in signature.parameters.items()}


def _hint(parameter: inspect.Parameter, namespace: dict[str, Any]) -> Any:
    hint: Any = _resolved(parameter.annotation, namespace)
    if parameter.kind is parameter.VAR_POSITIONAL:
        return Any if get_origin(hint) is Unpack else GenericAlias(tuple, (hint, ...))
    if parameter.kind is parameter.VAR_KEYWORD:
        return get_args(hint)[0] if get_origin(hint) is Unpack else GenericAlias(dict, (str, hint))
    if get_origin(hint) is Iterable:  # which pydantic would read back as an iterator
        return GenericAlias(Sequence, get_args(hint))
    return hint


def _resolved(annotation: Any, namespace: dict[str, Any]) -> Any:
    if annotation is inspect.Parameter.empty or inspect.isroutine(annotation):  # `threading.Lock` is a function
        return Any
    holder = type("Holder", (), {"__annotations__": {"it": annotation}, "__module__": __name__})
    try:
        return get_type_hints(holder, globalns=namespace, localns={}, include_extras=True)["it"]
    except _UNUSABLE:  # a name that is there for type checkers only
        return Any


_UNUSABLE = (*FAILURES, NameError, SyntaxError, SchemaError, UserWarning)
"""What an annotation that is not a type may raise, pydantic's warning among it where warnings are errors."""


def _usable(hint: Any) -> Any:
    """`hint`, or Any when pydantic can make nothing of it."""
    try:
        _model({"it": hint}, required=set())
    except _UNUSABLE:
        return Any
    return hint


def _model(hints: Mapping[str, Any], required: Set[str]) -> type[BaseModel]:
    """A model with a field for each parameter, of another name, since a parameter may be called `schema`."""
    fields: dict[str, Any] = {
        f"p{index}": (
            without_functions(hint),
            Field(alias=name) if name in required else Field(default=None, alias=name),
        )
        for index, (name, hint) in enumerate(hints.items())
    }
    fields[_MARKS] = (Any, Field(default=None, alias=FIELD))  # few rows have any: read_marks looks at them
    model: type[BaseModel] = create_model("Arguments", __config__=_CONFIG, **fields)
    if len(model.model_fields) != len(fields) or not model.__pydantic_complete__:
        raise TypeError("an annotation has no meaning for a parameter, or names something not defined yet")
    return model


def _required(signature: inspect.Signature) -> set[str]:
    return {
        name
        for name, parameter in signature.parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
