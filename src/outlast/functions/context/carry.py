"""What `install(carry=…)` says: which context variables come along with tasks."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextvars import ContextVar
from importlib.util import find_spec
from itertools import accumulate
from typing import Any

from outlast.errors import SettingsError
from outlast.functions.context.libraries import LIBRARIES
from outlast.source.meanings import object_named
from outlast.text import MOST_NAME, is_a, one_line

Carry = bool | Mapping[ContextVar[Any] | str, bool]
"""What `install(carry=…)` takes: False for nothing, or what to add and to leave out; see `outlast.install`."""

_LIBRARIES = frozenset(library.name for library in LIBRARIES)  # of which one may say it that is not installed
_FORM = (
    "carry is True, False, or a dict of context variables, of their paths (`module:name`), of modules or packages, "
    "each with True or False"
)


def refuse_meaningless(carry: object) -> None:
    """Raises SettingsError for what says nothing about any context variable."""
    if isinstance(carry, bool):
        return
    if not isinstance(carry, Mapping):
        raise SettingsError(f"install(app, carry={_shown(carry)}): {_FORM}")
    for which, said in carry.items():
        if not is_a(which, (ContextVar, str)) or not isinstance(said, bool):
            raise SettingsError(f"install(app, carry={{{_shown(which)}: {_shown(said)}}}): {_FORM}")
        if is_a(which, str) and (why := _why_unknown(which)):
            raise SettingsError(f"install(app, carry={{{_shown(which)}: {said}}}): {why}; {_FORM}")


def _why_unknown(path: str) -> str:
    """Why there is nothing of that name. Imports nothing, so that of what is not imported yet little is known."""
    if path in _LIBRARIES:
        return ""
    name, colon, inside = path.partition(":")
    for module in accumulate(name.split("."), "{}.{}".format):
        if module not in sys.modules:
            return "" if _can_be_found(module) else f"there is no module {_shown(module)}"
    if colon and not _is_being_imported(name) and not is_a(object_named(f"{name}.{inside}"), ContextVar):
        return f"module {_shown(name)} has no context variable {_shown(inside)}"
    return ""


def _can_be_found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # what it is in is no package, or it has an odd name
        return False


def _is_being_imported(module: str) -> bool:
    """So that what is at the end of it is not there yet."""
    spec = getattr(sys.modules[module], "__spec__", None)
    return spec is None or getattr(spec, "_initializing", False)


def _shown(thing: object) -> str:
    return one_line(repr(thing), MOST_NAME)
