"""Objects of a logging set-up as JSON, and back: a class by its name, and what its instance holds.

Only what a program has in the hand itself is told, to its own task processes, and never stored. Nothing of it is code:
a class, or a function, is named, and has to be found under that name.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from enum import Enum
from types import BuiltinFunctionType, FunctionType
from typing import Any

from outlast.errors import NotStorable, OutlastError, TargetNotFound
from outlast.functions.names import path_of, resolve
from outlast.system.process import MAIN_NAME
from outlast.text import name_of_class

DEEPEST = 6
_PLAIN = (str, int, float, bool, type(None))


class NotTold(OutlastError):
    """Something cannot be told to another process."""


def told(thing: object, depth: int = 0) -> Any:  # noqa: PLR0911 - one for each kind
    """`thing` as JSON, from which `made` makes its like. Raises NotTold."""
    if type(thing) in _PLAIN:
        return thing
    if isinstance(thing, Enum):
        return told(thing.value, depth + 1)
    if depth > DEEPEST:
        raise NotTold("it is nested too deeply")
    if isinstance(thing, list | tuple | set | frozenset):
        items = sorted(thing, key=repr) if isinstance(thing, set | frozenset) else thing
        return {"items": [told(one, depth + 1) for one in items], "as": type(thing).__name__}
    if isinstance(thing, Mapping) and all(type(key) is str for key in thing):
        return {"entries": {key: told(value, depth + 1) for key, value in thing.items()}}
    if isinstance(thing, re.Pattern):
        return {"pattern": told(thing.pattern), "flags": thing.flags}
    if number := stream_number(thing):
        return {"stream": number}
    return _named(thing) or _instance(thing, depth)


def made(given: Any) -> Any:  # noqa: PLR0911 - one for each kind
    """What `told` has told of. Raises TargetNotFound, or what importing a module raises."""
    match given:
        case {"items": items, "as": kind}:
            return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind](map(made, items))
        case {"entries": entries}:
            return {key: made(value) for key, value in entries.items()}
        case {"pattern": pattern, "flags": flags}:
            return re.compile(pattern, flags)
        case {"stream": number}:
            return sys.stdout if number == 1 else sys.stderr
        case {"name": name}:
            return resolve(name)
        case {"class": name, "holds": holds}:
            return _like(resolve(name), holds)
        case _:
            return given


def _like(cls: Any, holds: Mapping[str, Any]) -> object:
    instance: object = cls.__new__(cls)
    vars(instance).update({key: made(value) for key, value in holds.items()})
    return instance


def class_name(cls: type) -> str:
    """`module:qualname` of a class. Raises NotTold for one that is not found under that name."""
    found = _named(cls)
    if found is None:
        raise NotTold(f"its class {name_of_class(cls)} is inside of a function")
    return found["name"]


def stream_number(thing: object) -> int:
    """1 for standard output, 2 for standard error, 0 for anything else."""
    for number, streams in ((1, (sys.stdout, sys.__stdout__)), (2, (sys.stderr, sys.__stderr__))):
        if thing is not None and any(thing is one for one in streams):
            return number
    return 0


def _named(thing: object) -> dict[str, str] | None:
    if not isinstance(thing, type | FunctionType | BuiltinFunctionType):
        return None
    try:
        path = path_of(thing)
        return {"name": path.replace(f"{MAIN_NAME}:", "__main__:")} if resolve(path) is thing else None
    except (NotStorable, TargetNotFound):
        return None


def _instance(thing: object, depth: int) -> dict[str, Any]:
    cls = type(thing)
    if cls.__new__ is not object.__new__ or not hasattr(thing, "__dict__"):
        raise NotTold(f"a {name_of_class(cls)} cannot be told to another process")
    return {"class": class_name(cls), "holds": {key: told(value, depth + 1) for key, value in vars(thing).items()}}
