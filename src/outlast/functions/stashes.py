"""Stashed files among the arguments of tasks: each is named in the journal by a mark beside them, as a type is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard, get_args

from outlast.functions.values import Place, walk
from outlast.text import is_a

if TYPE_CHECKING:
    from outlast.functions.stashed import StashedFile

STASHED = "stashed"
"""The mark."""
_HOME = "outlast.functions.stashed"
_UPLOAD = ("starlette.datastructures", "UploadFile")


def is_stashed(value: object) -> TypeGuard[StashedFile]:
    """Whether it is a stashed file. Imports nothing: where that class is not known, none is."""
    home = sys.modules.get(_HOME)
    return home is not None and is_a(value, home.StashedFile)


def among(values: Any) -> Iterator[StashedFile]:
    """The stashed files in a value."""
    if _HOME in sys.modules:
        yield from filter(is_stashed, (inner for _, inner in walk(values, atoms=False)))


def held_among(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the stashed files among the arguments of a call, each of which stays as long as its name here."""
    if _HOME not in sys.modules:
        return ()
    return tuple({one.held: None for values in (args, dict(kwargs)) for one in among(values)})


def told(arguments: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Place]]:
    """The arguments with what stands in a journal for stashed files, also in lists, tuples and dicts; and where."""
    if next(among(dict(arguments)), None) is None:
        return arguments, []
    places: list[Place] = []

    def tell(file: StashedFile, place: Place) -> Any:
        places.append(place)
        return file.told

    return _changed(dict(arguments), tell), places


def anew(values: Any) -> Any:
    """The same where each stashed file is read from its beginning, as if nobody else had it."""
    return values if next(among(values), None) is None else _changed(values, lambda file, _: file.anew())


def _changed(value: Any, change: Callable[[StashedFile, Place], Any], place: Place = ()) -> Any:
    if is_stashed(value):
        return change(value, place)
    if type(value) is dict:
        return {key: _changed(one, change, (*place, key)) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_changed(one, change, (*place, at)) for at, one in enumerate(value))
    return value


def found(stored: Any) -> Any:
    """What a mark stands for. Raises ValueError."""
    from outlast.functions.stashed import StashedFile

    return StashedFile.read_from(stored)


def asks_for_upload(hint: Any) -> bool:
    """Whether an annotation has an uploaded file in it."""
    is_one = isinstance(hint, type) and any((one.__module__, one.__qualname__) == _UPLOAD for one in hint.__mro__)
    return is_one or any(map(asks_for_upload, get_args(hint)))
