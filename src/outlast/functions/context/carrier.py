"""The context of a request to JSON text, and into the context of the task that runs.

    {"main:tenant": {"value": "acme"}, "structlog:request_id": {"value": "6f1c"}}

What stands before the colon is a module that holds the variable, or a library that has its own way to keep values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from contextvars import Context
from dataclasses import dataclass
from itertools import islice
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from outlast.errors import NotStorable
from outlast.events import context as words
from outlast.functions.callables import FUNCTION
from outlast.functions.context.carry import Carry
from outlast.functions.context.libraries import LIBRARIES, imported_libraries
from outlast.functions.context.variables import Found, Variables
from outlast.functions.encoding import Codec
from outlast.functions.values import walk
from outlast.source.sources import Sources
from outlast.tasks.redaction import FIELD
from outlast.text import MOST_REASON, in_one_line, one_line

MOST_OF_ALL = 32 * 1024  # bytes of JSON that the variables of one task may have together
MOST_OF_ONE = 16 * 1024  # bytes of JSON that one variable may have
MOST_PARTS = 1000  # values that may be in one, at any depth
_LIBRARIES = tuple(library.name for library in LIBRARIES)
_VALUE = "value"
_PLAIN = (str, int, bool, NoneType)
_SIMPLE = (Any, None, *_PLAIN)
_UNIONS = (Union, UnionType)


@dataclass(frozen=True, slots=True)
class Left:
    """A variable that cannot travel: a sentence why, with the variable as its subject."""

    found: Found
    why: str


@dataclass(frozen=True, slots=True)
class Packed:
    """What of a context travels, as JSON text (None: nothing), and what does not."""

    text: str | None = None
    left: tuple[Left, ...] = ()


NOTHING = Packed()


class Carrier:
    """Packs the contexts of requests, and unpacks them where their tasks run."""

    def __init__(self, sources: Sources, carry: Carry = True) -> None:
        self.variables = Variables(sources, carry)
        self._codecs: dict[str, ValueCodec] = {}

    def pack(self, context: Context) -> Packed:
        """What is in `context`, in which nothing may be running."""
        if self.variables.is_off:
            return NOTHING
        texts: list[str] = []
        left: list[Left] = []
        room = MOST_OF_ALL
        for found, value in self._carried(context):
            try:
                text = self._written(found, value, room)
            except Exception as error:  # noqa: BLE001 - NotStorable, or what a value of the user's raises when looked at
                left.append(Left(found, _why(error)))
            else:
                room -= len(text)
                texts.append(text)
        return Packed(f"{{{','.join(texts)}}}" if texts else None, tuple(left))

    def _written(self, found: Found, value: Any, room: int) -> str:
        text = f"{json.dumps(found.path)}:{self._codec(found).encode(value)}"
        if len(text) > room:
            raise NotStorable(words.too_much(MOST_OF_ALL))
        return text

    def unpack(self, text: str) -> list[str]:
        """Set what is in `text` in the context of the running code; returns a sentence for each that cannot be."""
        complaints: list[str] = []
        of_libraries: dict[str, dict[str, Any]] = {name: {} for name in _LIBRARIES}
        for path, stored in json.loads(text).items():
            library, _, name = path.partition(":")
            try:
                if library in of_libraries:
                    of_libraries[library][name] = self._codec(Found(path)).decode(stored)
                else:
                    self._set(path, stored)
            except LookupError:
                complaints.append(words.not_here(path))
            except Exception as error:  # noqa: BLE001 - stored by other code, or what a model of the user's raises
                complaints.append(words.not_understood(path, in_one_line(error)))
        complaints += _give(of_libraries)
        return complaints

    def around(self, function: str) -> Iterator[tuple[str, AbstractContextManager[object]]]:
        """What libraries put round an attempt of the function at that path, with the library's name."""
        for library, module in imported_libraries():
            if library.around is not None and not self.variables.is_off and self.variables.wants(library.name):
                yield library.name, library.around(module, function)

    def _set(self, path: str, stored: Any) -> None:
        found = self.variables.at(path)
        if found is None or found.variable is None:
            raise LookupError(path)
        found.variable.set(self._codec(found).decode(stored))

    def _codec(self, found: Found) -> ValueCodec:
        """Made once for each variable; it takes a millisecond."""
        key = found.path if found.variable is not None else ""
        if key not in self._codecs:
            self._codecs[key] = ValueCodec(found.hint)
        return self._codecs[key]

    def _carried(self, context: Context) -> Iterator[tuple[Found, Any]]:
        for variable, value in context.items():
            found = self.variables.of(variable)
            if found is not None:
                yield found, value
        for library, module in imported_libraries():
            if self.variables.wants(library.name):
                for name, value in library.taken(module, context).items():
                    yield Found(f"{library.name}:{name}"), value


def _give(values: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for library, module in imported_libraries():
        try:
            if values[library.name]:
                library.given(module, values[library.name])
        except Exception as error:  # noqa: BLE001 - the library's code
            yield words.not_understood(library.name, in_one_line(error))


def _why(error: Exception) -> str:
    said = str(error) if isinstance(error, NotStorable) else f"cannot be looked at ({in_one_line(error)})"
    return one_line(said, MOST_REASON)


class ValueCodec:
    """The value of one variable to JSON text and back, proven as arguments are; of the type `hint`, as far as known."""

    def __init__(self, hint: Any = Any) -> None:
        inner = get_args(hint) if get_origin(hint) in _UNIONS else (hint,)
        self._is_simple = all(any(one is simple for simple in _SIMPLE) for one in inner)
        self._typed = _codec(hint)
        self._untyped = _codec(Any)

    def encode(self, value: Any) -> str:
        """A JSON object with `value` in it. Raises NotStorable, with a sentence whose subject is the variable."""
        if isinstance(value, (str, bytes)) and len(value) > MOST_OF_ONE:
            raise NotStorable(words.too_large(len(value), MOST_OF_ONE))
        text = json.dumps({_VALUE: value}) if self._is_simple and type(value) in _PLAIN else self._proven(value)
        if len(text) > MOST_OF_ONE:
            raise NotStorable(words.too_large(len(text), MOST_OF_ONE))
        return text

    def decode(self, stored: Any) -> Any:
        """The value in such an object. Raises NotStorable or ValueError for one that means nothing here."""
        if not isinstance(stored, dict) or FUNCTION in (stored.get(FIELD) or {}):
            raise ValueError("it names a function")
        if self._is_simple and stored.keys() == {_VALUE} and type(stored[_VALUE]) in _PLAIN:
            return stored[_VALUE]
        text = json.dumps(stored)
        try:
            return _first(self._typed.decode(text))
        except NotStorable:
            return _first(self._untyped.decode(text))

    def _proven(self, value: Any) -> str:
        if callable(value):
            raise NotStorable(words.is_callable("a class" if isinstance(value, type) else "a function"))
        if next(islice(walk(value), MOST_PARTS, None), None) is not None:  # before it takes the event loop's time
            raise NotStorable(words.too_many(MOST_PARTS))
        value = _with_plain_keys(value) if type(value) is dict else value
        try:
            return self._typed.encode((value,), {})
        except NotStorable as error:
            why = _in_short(error)
        try:
            return self._untyped.encode((value,), {})  # its annotation does not say all that it may hold
        except NotStorable:
            raise NotStorable(why) from None


def _codec(hint: Any) -> Codec:
    def carried(value: Any) -> None: ...

    carried.__annotations__ = {_VALUE: hint}
    return Codec(carried)


def _first(arguments: tuple[tuple[Any, ...], Mapping[str, Any]]) -> Any:
    return arguments[0][0]


def _with_plain_keys(value: dict[Any, Any]) -> dict[Any, Any]:
    """The members of an enum of texts, as keys, become the texts, which are equal and are found by either."""
    return {str.__str__(key) if isinstance(key, str) else key: one for key, one in value.items()}


def _in_short(error: NotStorable) -> str:
    """What an encoder of arguments says of its one parameter, about a variable."""
    said = str(error).partition(f"`{_VALUE}` ")[2] or str(error)
    what, _, back = said.partition(", which would come back as ")
    return words.would_change(what, back.partition(":")[0]) if back else said
