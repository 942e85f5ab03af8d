"""The context of a request to JSON text, and into the context of the task that runs.

    {"main:tenant": {"value": "acme"}, "structlog:request_id": {"value": "6f1c"}}

What stands before the colon is a module that holds the variable, or a library that has its own way to keep values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from outlast.context import sentences
from outlast.context.libraries import LIBRARIES, imported_libraries
from outlast.context.values import ValueCodec
from outlast.context.variables import Carry, Found, Variables
from outlast.errors import NotStorable
from outlast.sources import Sources
from outlast.text import MOST_REASON, in_one_line, one_line

MOST_OF_ALL = 32 * 1024
"""Bytes of JSON that the variables of one task may have together."""

_LIBRARIES = tuple(library.name for library in LIBRARIES)


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
            raise NotStorable(sentences.too_much(MOST_OF_ALL))
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
                complaints.append(sentences.not_here(path))
            except Exception as error:  # noqa: BLE001 - stored by other code, or what a model of the user's raises
                complaints.append(sentences.not_understood(path, in_one_line(error)))
        complaints += _give(of_libraries)
        return complaints

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
            yield sentences.not_understood(library.name, in_one_line(error))


def _why(error: Exception) -> str:
    said = str(error) if isinstance(error, NotStorable) else f"cannot be looked at ({in_one_line(error)})"
    return one_line(said, MOST_REASON)
