"""Which context variables a function reads, as its source says: a help, not a proof."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FunctionType, MethodType, ModuleType
from typing import Any

from outlast.source.belongings import class_of
from outlast.source.bodies import Body
from outlast.source.module_state import bodies_of
from outlast.source.sources import Sources
from outlast.system.links import from_here
from outlast.text import is_a, module_of_class


@dataclass(frozen=True, slots=True)
class Reads:
    """The variables, each with a place where that is, and the packages of which something is used."""

    variables: Mapping[ContextVar[Any] | None, str] = field(default_factory=dict)
    packages: frozenset[str] = frozenset()


NOTHING_READ = Reads()


def reads_of(function: Callable[..., Any], sources: Sources) -> Reads:
    """What a call of `function` reads, in it and in those of the project that it calls."""
    variables: dict[ContextVar[Any] | None, str] = {}
    packages: set[str] = set()
    for body in _bodies(function, sources):
        for use in body.uses:
            value = use.meaning.value
            if is_a(value, ContextVar):
                variables.setdefault(value, f"{from_here(body.file)}:{use.line}")
            else:
                packages.add(_module_of(value).partition(".")[0])
    return Reads(variables, frozenset(packages))


def _bodies(function: Callable[..., Any], sources: Sources) -> Iterator[Body]:
    """What a call runs, and what the project's proxies do that it asks for an attribute."""
    seen: set[int] = set()
    for body in bodies_of(function, sources):
        yield body
        for use in body.uses:
            asked = use.meaning.value
            way = inspect.getattr_static(class_of(asked), "__getattr__", None)
            if is_a(way, FunctionType) and id(asked) not in seen:
                seen.add(id(asked))
                yield from bodies_of(MethodType(way, asked), sources)


def _module_of(value: object) -> str:
    if is_a(value, ModuleType):
        return value.__name__
    if is_a(value, FunctionType):
        return value.__module__ or ""
    return module_of_class(value if is_a(value, type) else type(value))
