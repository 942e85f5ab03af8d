"""What a function takes: its parameters, what their annotations mean, and the model that reads and writes them."""

from __future__ import annotations

import inspect
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import update_wrapper
from types import GenericAlias, NoneType
from typing import Any, Unpack, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from outlast.errors import NotStorable
from outlast.functions.callables import without_functions
from outlast.functions.dependencies import Dependencies, bound, may_depend, without
from outlast.functions.stashes import asks_for_upload
from outlast.tasks.attempt import Attempt, current
from outlast.tasks.redaction import FIELD

_CONFIG = ConfigDict(
    strict=True,
    extra="forbid",
    arbitrary_types_allowed=True,  # so that the refusal of such a value is worded here
    ser_json_bytes="base64",
    val_json_bytes="base64",
    ser_json_inf_nan="constants",
)

MARKS = "marks"  # the field of the model for what is stored beside the arguments


class Parameters:
    """Those of one function. `signature` and `hints`: the type of what is bound to each parameter of it. `whole`: the
    signature with those, too, that FastAPI fills.

    attempt: the parameter that the attempt is put into where it runs, which is none of them; empty if there is none.
    dependencies: those that FastAPI fills where it runs, unless they are given; None if there are none.
    positional: the names of the others, if all can be given by their place. required: those without a default.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._whole = self.signature = _signature(function, name)
        self.hints = _hints(function, self.signature)
        self.dependencies = Dependencies.of(self._whole, self.hints)
        self.attempt = _for_attempt(self.hints)
        if self.attempt:
            self.signature = without(self.signature, frozenset({self.attempt}))
            del self.hints[self.attempt]
        self.whole = self.signature
        if self.dependencies:
            self.signature = without(self.signature, self.dependencies.names)
        self.positional = _positional(self.signature)
        self.required = _required(self.signature)
        try:
            self._model = _model(self.hints, self.required)
        except Exception:  # noqa: BLE001 - what an annotation raises that is no type, lacks a package, or is the user's
            self.hints = {parameter: _usable(hint) for parameter, hint in self.hints.items()}
            self._model = _model(self.hints, self.required)
        self._names = dict(zip(self._model.model_fields, self.hints, strict=False))  # the marks come last

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, partially: bool = False) -> Mapping[str, Any]:
        """What a call gives to each parameter; `partially` if there may be more. Raises TypeError."""
        if self.dependencies and not partially:
            return bound(self.signature, self.whole, args, kwargs)
        bind = self.whole.bind_partial if partially else self.signature.bind
        return bind(*args, **kwargs).arguments

    def all_given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The same with defaults, but for what is left to FastAPI. Raises TypeError."""
        given = self.bound(args, kwargs)
        bound = inspect.BoundArguments(self.signature, OrderedDict(given))
        bound.apply_defaults()
        return {**bound.arguments, **given}

    def called_with(self, given: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The `args` and `kwargs` of a call with these arguments, the attempt that runs here among them.

        Those that FastAPI is to fill are left out, and given by name if they are given.
        """
        if self.attempt:
            given = {self.attempt: current(), **given}
        elif len(given) == len(self.positional) and not self.dependencies:
            return tuple(given[name] for name in self.positional), {}
        filled = self.dependencies.names if self.dependencies else frozenset()
        plain = inspect.BoundArguments(
            without(self._whole, filled), OrderedDict((name, one) for name, one in given.items() if name not in filled)
        )
        return plain.args, {**plain.kwargs, **{name: one for name, one in given.items() if name in filled}}

    def validated(self, given: Mapping[str, Any]) -> BaseModel:
        """A model of the arguments `given`. Raises ValidationError, and what the user's validators raise."""
        return self._model.model_validate(given)

    def read(self, text: str) -> BaseModel:
        """The same of what was written. Raises the same."""
        return self._model.model_validate_json(text)

    def given_in(self, model: BaseModel) -> dict[str, Any]:
        """The arguments that a model has, by parameter."""
        names = self._names
        return {names[field]: getattr(model, field) for field in model.model_fields_set if field in names}

    def name_of(self, field: str) -> str:
        """The parameter that a field of the model is for."""
        return self._names[field]


def with_attempt(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """The `args` and `kwargs` of a call where it was asked for, with the attempt if the function wants it."""
    try:
        if any(_may_be_attempt(one.annotation) for one in _signature(function, "").parameters.values()):
            parameters = Parameters(function, "")
            return parameters.called_with(parameters.bound(args, kwargs))
    except (NotStorable, TypeError):  # the call itself says better what is wrong with it; or it was given an attempt
        pass
    return args, kwargs


def dependencies_of(function: Callable[..., Any]) -> Dependencies | None:
    """What FastAPI fills of a function that runs where it was asked for; None where there is nothing, as mostly."""
    try:
        signature = _signature(function, "")
    except NotStorable:
        return None
    if any(map(may_depend, signature.parameters.values())):
        return Dependencies.of(signature, _hints(function, signature))
    return None


def _may_be_attempt(annotation: object) -> bool:
    return _is_attempt(annotation) or (isinstance(annotation, str) and Attempt.__name__ in annotation)


def _is_attempt(hint: object) -> bool:
    inner = get_args(hint)
    return hint is Attempt or (len(inner) == 2 and inner[0] is Attempt and inner[1] is NoneType)


def _for_attempt(hints: Mapping[str, Any]) -> str:
    """The parameter that is annotated as an attempt, or as one or None."""
    return next((name for name, hint in hints.items() if _is_attempt(hint)), "")


def first_of(signature: inspect.Signature, count: int) -> tuple[str, ...]:
    """The names of its first parameters that can be given by their place, at most `count`."""
    return tuple(name for name, one in signature.parameters.items() if one.kind in _BY_PLACE)[:count]


def lacking(function: Callable[..., Any], signature: inspect.Signature, names: Iterable[str]) -> Callable[..., Any]:
    """A function with that signature, but for parameters of these names, that stands for `function` in all else."""

    def rest(*args: Any, **kwargs: Any) -> None: ...

    update_wrapper(rest, function)
    rest.__signature__ = without(signature, frozenset(names))  # type: ignore[attr-defined]
    return rest


def _signature(function: Callable[..., Any], name: str) -> inspect.Signature:
    try:
        if sys.version_info >= (3, 14):
            from annotationlib import Format

            return inspect.signature(function, annotation_format=Format.FORWARDREF)
        return inspect.signature(function)
    except (TypeError, ValueError):
        raise NotStorable(f"{name} has no signature that can be read: call it from a function of your own") from None


def _positional(signature: inspect.Signature) -> tuple[str, ...]:
    """The parameters of a function that has none but such as can be given by their place; else nothing."""
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    return tuple(signature.parameters) if kinds <= _BY_PLACE else ()


_BY_PLACE = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}


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


def result_hint(function: Callable[..., Any]) -> Any:
    """The type of what a function returns; Any where it is not annotated, or no annotation resolves."""
    try:
        annotation = _signature(function, "").return_annotation
    except NotStorable:
        return Any
    hint = _resolved(annotation, getattr(inspect.unwrap(function), "__globals__", {}))
    return Any if hint is type(None) else hint


def _resolved(annotation: Any, namespace: dict[str, Any]) -> Any:
    if annotation is inspect.Parameter.empty or inspect.isroutine(annotation):  # `threading.Lock` is a function
        return Any
    holder = type("Holder", (), {"__annotations__": {"it": annotation}, "__module__": __name__})
    try:
        return get_type_hints(holder, globalns=namespace, localns={}, include_extras=True)["it"]
    except Exception:  # noqa: BLE001 - a name that is there for type checkers only, or as below
        return Any


def _usable(hint: Any) -> Any:
    """`hint`, or Any when pydantic can make nothing of it."""
    try:
        _model({"it": hint}, required=set())
    except Exception:  # noqa: BLE001 - as above
        return Any
    return hint


def _model(hints: Mapping[str, Any], required: Set[str]) -> type[BaseModel]:
    """A model with a field for each parameter, of another name, since a parameter may be called `schema`."""
    fields: dict[str, Any] = {
        f"p{index}": (
            Any if asks_for_upload(hint) else without_functions(hint),
            Field(alias=name) if name in required else Field(default=None, alias=name),
        )
        for index, (name, hint) in enumerate(hints.items())
    }
    fields[MARKS] = (Any, Field(default=None, alias=FIELD))  # few rows have any: read_marks looks at them
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
