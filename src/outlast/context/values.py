"""The value of one context variable to JSON text and back, proven as arguments are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from outlast.callables import FUNCTION
from outlast.context import sentences
from outlast.encoding import Codec
from outlast.errors import NotStorable
from outlast.marks import FIELD
from outlast.values import walk

MOST_OF_ONE = 16 * 1024
"""Bytes of JSON that one variable may have."""

MOST_PARTS = 1000
"""Values that may be in one, at any depth."""

_VALUE = "value"
_PLAIN = (str, int, bool, NoneType)
_SIMPLE = (Any, None, *_PLAIN)
_UNIONS = (Union, UnionType)


class ValueCodec:
    """For values of the type `hint`; Any where that is not known."""

    def __init__(self, hint: Any = Any) -> None:
        inner = get_args(hint) if get_origin(hint) in _UNIONS else (hint,)
        self._is_simple = all(any(one is simple for simple in _SIMPLE) for one in inner)
        self._typed = _codec(hint)
        self._untyped = _codec(Any)

    def encode(self, value: Any) -> str:
        """A JSON object with `value` in it. Raises NotStorable, with a sentence whose subject is the variable."""
        if isinstance(value, (str, bytes)) and len(value) > MOST_OF_ONE:
            raise NotStorable(sentences.too_large(len(value), MOST_OF_ONE))
        text = json.dumps({_VALUE: value}) if self._is_simple and type(value) in _PLAIN else self._proven(value)
        if len(text) > MOST_OF_ONE:
            raise NotStorable(sentences.too_large(len(text), MOST_OF_ONE))
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
            raise NotStorable(sentences.is_function())
        if next(islice(walk(value), MOST_PARTS, None), None) is not None:  # before it takes the event loop's time
            raise NotStorable(sentences.too_many(MOST_PARTS))
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
    return sentences.would_change(what, back.partition(":")[0]) if back else said
