"""Arguments to JSON text and back. What does not come back the same is refused at the call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from outlast.errors import NotStorable, TargetNotFound
from outlast.functions import stashes
from outlast.functions.callables import FUNCTION, Callables, Passed, asks_for_function
from outlast.functions.dependencies import newest_app
from outlast.functions.kinds import AN_ATTEMPT, look_at
from outlast.functions.marks import Marks, marked, marks_of, read_marks, restored
from outlast.functions.names import shown
from outlast.functions.parameters import MARKS, Parameters, first_of, lacking
from outlast.functions.refusals import FAILURES, Refusals, outdated, takes_too_few, unknown_mark
from outlast.functions.values import ATOMS, Place, difference
from outlast.tasks.attempt import Attempt
from outlast.tasks.redaction import OF_SECRETS

LARGEST = 1024 * 1024  # bytes of JSON that the arguments of one task may have
_PLAIN = (str, int, bool)
_PLAIN_BITS = 64  # of an int: what is longer may be too long to be read back


class Codec:
    """Writes the arguments of one function as JSON text and reads them back.

    Build it once per function: it makes a pydantic model from the signature, which takes about a millisecond.
    Only arguments that were given are stored: defaults are taken when the task runs, from the code that runs.
    `parameters` are what it takes; `hints` has the type of what is bound to each of them. `signature` has neither that
    of the attempt nor those of `dependencies` (None if there are none), which are filled where the task runs.
    `callables` names functions that are passed as arguments.
    """

    def __init__(self, function: Callable[..., Any], callables: Callables | None = None) -> None:
        self._name = shown(function)
        self.parameters = Parameters(function, self._name)
        self.signature, self.hints = self.parameters.signature, self.parameters.hints
        self.dependencies = self.parameters.dependencies
        callables = callables or Callables()
        self.refusals = Refusals(self._name, self.hints, is_own=partial(callables.is_own, function))
        self.passed = Passed(self.signature, self.hints, callables)
        self.rest = Rests(function, self.parameters, callables)
        self._prover = _Prover(self.parameters, self.refusals)
        self._functions = {parameter for parameter, hint in self.hints.items() if asks_for_function(hint)}
        self._plain = {parameter: hint for parameter, hint in self.hints.items() if hint in _PLAIN}

    def encode(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """The arguments of one call as a JSON object by parameter name.

        Raises NotStorable, with the parameter and what to pass instead, for a call that does not fit the
        signature, for a value that is not what its annotation says or that would come back as something else,
        and for more than 1 MiB.
        """
        given = self._fitting(args, kwargs)
        self._refuse_needs(given, None)
        text = self._plainly(given) or self._carefully(given)
        size = len(text) if text.isascii() else len(text.encode())
        if size > LARGEST:
            raise self.refusals.too_large(size, LARGEST)
        return text

    def decode(self, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The `args` and `kwargs` of the call that was encoded as `text`.

        Raises NotStorable when `text` does not fit the signature, which then has changed since, or where what fills
        the rest of it needs a request by now.
        """
        given = self._read_plainly(text)
        given = self._read_carefully(text) if given is None else given
        self._refuse_needs(given, newest_app())
        return self.parameters.called_with(given)

    def whole(self, text: str) -> str:
        """The call that was encoded as `text`, as an endpoint tells such values: also what models make of them.

        Raises NotStorable when `text` does not fit the signature, and what the user's serializers raise.
        """
        try:
            model = self.parameters.read(text)
        except ValidationError as error:
            raise outdated(self._name, error) from None
        return model.model_dump_json(include=model.model_fields_set - {MARKS}, by_alias=True, warnings=False)

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, partially: bool = False) -> Mapping[str, Any]:
        """What is given to each parameter, whatever it is; `partially` if there may be more. Raises TypeError."""
        return self.parameters.bound(args, kwargs, partially=partially)

    def refused_function(self, name: str, function: Callable[..., Any]) -> NotStorable | None:
        """Why `function` cannot be passed as parameter `name`, to which functions can be passed."""
        try:
            self.passed.named({name: function})
        except NotStorable as error:
            return self.refusals.unnamed(error)
        return None

    def _refuse_needs(self, given: Mapping[str, Any], app: object) -> None:
        """Raises NotStorable where a request is needed to fill what is not given; `app` has what overrides that."""
        if self.dependencies is not None and (need := self.dependencies.need(given, app)):
            raise self.refusals.about(*need)

    def _read_plainly(self, text: str) -> dict[str, Any] | None:
        """What `text` says, where all parameters are plain and it fits them as it is; else None."""
        if len(self._plain) < len(self.hints) or "\\u" in text:  # perhaps of a lone surrogate
            return None
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if type(given) is not dict or not self.parameters.required <= given.keys():
            return None
        for name, value in given.items():
            if type(value) is not self._plain.get(name):
                return None
        return given

    def _read_carefully(self, text: str) -> dict[str, Any]:
        try:
            model = self.parameters.read(text)
        except ValidationError as error:
            raise outdated(self._name, error) from None
        given = self.parameters.given_in(model)
        return self._restored(given, getattr(model, MARKS)) if MARKS in model.model_fields_set else given

    def _restored(self, given: dict[str, Any], stored: Any) -> dict[str, Any]:
        try:
            marks = read_marks(stored)
            values = restored(given, {mark: places for mark, places in marks.items() if mark != FUNCTION})
            return self.passed.found(values, marks.get(FUNCTION, ()))
        except TargetNotFound as error:
            raise self.refusals.unnamed(error) from error
        except (ValueError, LookupError, OSError) as error:  # OSError: of ZoneInfo, for the name of a folder
            raise unknown_mark(self._name, error) from None

    def _plainly(self, given: Mapping[str, Any]) -> str:
        """The text of arguments that are exactly what their annotations say and that JSON has itself; else empty.

        They need no proof, and most calls have no others.
        """
        plain = self._plain
        for name, value in given.items():
            kind = type(value)
            if kind is not plain.get(name) or (kind is int and value.bit_length() > _PLAIN_BITS):
                return ""
        try:
            text = to_json(given)
        except ValueError:  # a lone surrogate
            return ""
        return text.decode() if text.isascii() else ""

    def _carefully(self, given: Mapping[str, Any]) -> str:
        given, stashed = stashes.told(given)
        secrets = self._looked_at(given)
        named, places = self._named(given)
        text, marks = self._prover.proven(named)
        beside: Marks = {FUNCTION: places, stashes.STASHED: stashed, OF_SECRETS: [[name] for name in secrets]}
        return marked(text, {**marks, **{mark: found for mark, found in beside.items() if found}})

    def _fitting(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        in_order = self.parameters.positional
        if not kwargs and len(self.parameters.required) <= len(args) <= len(in_order):
            return dict(zip(in_order, args, strict=False))
        try:
            return self.parameters.bound(args, kwargs)
        except TypeError as error:
            own = self.parameters.attempt
            if own and (own in kwargs or any(isinstance(one, Attempt) for one in args)):
                raise self.refusals.of_kind(own, (), AN_ATTEMPT) from None
            raise self.refusals.unbindable(self.signature, kwargs, error) from None

    def _looked_at(self, given: Mapping[str, Any]) -> list[str]:
        """The parameters that hold a secret. Raises NotStorable for what is refused at sight.

        Before anything reads it: an iterator has to be whole still when the task runs inline instead.
        """
        seen = {name: look_at(value) for name, value in given.items() if type(value) not in ATOMS}
        for name, sight in seen.items():
            if sight.refused is not None:
                raise self.refusals.of_kind(name, *sight.refused)
        return [name for name, sight in seen.items() if sight.holds_secret]

    def _named(self, given: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Place]]:
        for name in self._functions & given.keys():
            if not callable(given[name]):
                raise self.refusals.no_function(name, given[name])
        try:
            return self.passed.named(given)
        except NotStorable as error:
            raise self.refusals.unnamed(error) from error


@dataclass(frozen=True)
class Rest:
    """The names of the first parameters of a function, and the codec for the others."""

    first: tuple[str, ...]
    codec: Codec


class Rests:
    """For calls of one function whose first arguments come from elsewhere."""

    def __init__(self, function: Callable[..., Any], parameters: Parameters, callables: Callables) -> None:
        self._function, self._parameters, self._callables = function, parameters, callables
        self._known: dict[int, Rest] = {}

    def behind(self, count: int) -> Rest:
        """What is behind so many. Raises NotStorable when it takes fewer by their place."""
        if count not in self._known:
            first = first_of(self._parameters.signature, count)
            if len(first) < count:
                raise takes_too_few(shown(self._function), count)
            bare = lacking(self._function, self._parameters.whole, first)
            self._known[count] = Rest(first, Codec(bare, self._callables))
        return self._known[count]


class _Prover:
    """Writes the arguments of one function with the proof that they come back the same."""

    def __init__(self, parameters: Parameters, refusals: Refusals) -> None:
        self._parameters = parameters
        self._refusals = refusals

    def proven(self, given: Mapping[str, Any]) -> tuple[str, Marks]:
        """The JSON text of what was given, which was seen to come back from it with these marks. Raises NotStorable.

        The fields that were set on a user's model stay the only ones set, as an update by PATCH needs it.
        Where that loses something, such as what a default factory made or the tag of a union, all are written.
        """
        model = self._validated(given)
        text = self._written(model, only_set=True)
        try:
            return self._proof(given, text)
        except NotStorable:
            whole = self._written(model, only_set=False)
            if whole == text:
                raise
        return self._proof(given, whole)

    def _validated(self, given: Mapping[str, Any]) -> BaseModel:
        try:
            return self._parameters.validated(given)
        except ValidationError as error:
            raise self._refusals.unfit(given, error) from None
        except FAILURES as error:
            raise self._refusals.uncheckable(error) from error

    def _proof(self, given: Mapping[str, Any], text: str) -> tuple[str, Marks]:
        """`text`, and the marks that it needs to give back what was given."""
        back = self._read_back(given, text)
        if self._difference(given, back) is None:
            return text, {}
        marks = marks_of(given, back)
        back = restored(back, marks)
        place = self._difference(given, back)
        if place is not None:
            raise self._refusals.changed(given, back, place)
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
                return self._refusals.unwritable(self._parameters.name_of(field), getattr(model, field), error)
        return self._refusals.uncheckable(error)

    def _read_back(self, given: Mapping[str, Any], text: str) -> dict[str, Any]:
        try:
            return self._parameters.given_in(self._parameters.read(text))
        except ValidationError as error:
            raise self._refusals.unreadable(given, error) from None
        except FAILURES as error:
            raise self._refusals.uncheckable(error) from error

    def _difference(self, given: Mapping[str, Any], back: Mapping[str, Any]) -> Place | None:
        try:
            return difference(given, back)
        except FAILURES as error:
            raise self._refusals.uncheckable(error) from error


def _json(model: BaseModel, fields: set[str], *, only_set: bool) -> str:
    return model.model_dump_json(include=fields, exclude_unset=only_set, by_alias=True, round_trip=True, warnings=False)
