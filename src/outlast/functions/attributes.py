"""An attribute of an argument, as `limit_by` names it: of the object, whatever its JSON calls it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from outlast.errors import OptionError
from outlast.text import in_one_line


def value_at(path: str, given: Mapping[str, Any], function: str) -> str:
    """JSON of what `order.tenant` is in a call of `function` with the arguments `given` to its parameters.

    Null where there is no such argument, or None is on the way. Raises OptionError for an attribute that is not there:
    all would share the limits of one.
    """
    parameter, *attributes = path.split(".")
    value = given.get(parameter)
    for name in attributes:
        value = None if value is None else _attribute(value, name, path, function)
    return to_json(value, fallback=str).decode()


def _attribute(value: Any, name: str, path: str, function: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    try:
        return getattr(value, name)
    except Exception as error:
        raise OptionError(f"option 'limit_by' of {function} is {path!r}: {in_one_line(error)}") from error
