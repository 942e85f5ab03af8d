"""Which context variables there are: those that modules hold under a name, and those that `install(carry=…)` lists."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any, get_args, get_origin, get_type_hints

from outlast.functions.context.carry import Carry
from outlast.functions.context.libraries import NUMPYS_OWN
from outlast.source.globals import members
from outlast.source.meanings import object_named
from outlast.source.sources import Sources
from outlast.system.program import name_elsewhere
from outlast.text import LONGEST_PATH, is_a, module_of_class

LISTED = "carry:"  # what stands for the module in the path of a variable that no module holds, and `carry` lists

# What frameworks, servers and test runners keep for themselves, and the libraries of `libraries.py`.
_THEIR_OWN = frozenset(
    {
        *("outlast", "apsw", "anyio", "sniffio", "trio", "starlette", "fastapi", "pydantic", "greenlet"),
        *("uvicorn", "gunicorn", "hypercorn", "granian", "daphne", "pytest", "_pytest", "hypothesis"),
        *("structlog", "opentelemetry", "sentry_sdk"),
    }
)
_PLAIN = (str, bytes, int, float, type(None), ModuleType, FunctionType)


@dataclass(frozen=True, slots=True)
class Found:
    """A context variable: the path that leads to it in other processes, too, and the type of its values.

    hint: Any where nothing tells it. variable: None for what a library keeps in its own way. is_own: it is one of the
    project. is_asked: `carry` says that it is to be carried.
    """

    path: str
    variable: ContextVar[Any] | None = None
    hint: Any = Any
    is_own: bool = False
    is_asked: bool = False

    @property
    def package(self) -> str:
        """The top-level package that holds it."""
        return self.path.partition(":")[0].partition(".")[0]


class Variables:
    """Looks through the modules that are imported, once each; again at those that have come, or have grown, since."""

    def __init__(self, sources: Sources, carry: Carry = True) -> None:
        self._sources = sources
        self._wanted: Mapping[ContextVar[Any] | str, bool] = {} if isinstance(carry, bool) else carry
        self.is_off = carry is False
        self._sizes: dict[str, int] = {}
        self._found: dict[ContextVar[Any], Found] = {}
        self._nameless: set[ContextVar[Any]] = set()

    def of(self, variable: ContextVar[Any]) -> Found | None:
        """What is known of it; None for one that is not to be carried, or that no other process could find."""
        if variable not in self._found and variable not in self._nameless:
            self.look()
            if variable not in self._found and self._wanted.get(variable):
                self._found[variable] = Found(_listed(variable), variable, is_asked=True)
            elif variable not in self._found:
                self._nameless.add(variable)
        found = self._found.get(variable)
        return found if found is not None and self._is_wanted(found) else None

    def has_no_name(self, variable: ContextVar[Any]) -> bool:
        """Whether no other process could find it, and nobody has listed it."""
        return (
            not self.is_off
            and variable not in self._wanted
            and self.of(variable) is None
            and variable in self._nameless
        )

    def wants(self, library: str) -> bool:
        """Whether what a library keeps in its own way is to be carried."""
        return self._wanted.get(library, True)

    def at(self, path: str) -> Found | None:
        """The variable that `path` leads to in the modules that are imported: nothing is imported or run for it."""
        if path.startswith(LISTED):
            listed = (one for one in self._wanted if is_a(one, ContextVar) and path == _listed(one))
            return next(map(self.of, listed), None)
        found = object_named(path.replace(":", "."))
        return self.of(found) if is_a(found, ContextVar) else None

    def look(self) -> None:
        """Look at the modules that were imported since the last time. From any thread."""
        for name, module in sys.modules.copy().items():
            if is_a(module, ModuleType) and self._sizes.get(name) != (size := len(vars(module))) and _may_hold(name):
                self._sources.rest()
                self._look_at(module)
                self._sizes[name] = size  # last: another thread that looks meanwhile has to find it all

    def _look_at(self, module: ModuleType) -> None:
        is_own = self._sources.is_own_module(module)
        for names, variable, holder in self._held(module, look_inside=is_own):
            path = f"{name_elsewhere(module.__name__)}:{names}"
            hint = _type_of(holder, names.rpartition(".")[2])
            if self._is_new(variable, hint) and path.isprintable() and len(path) <= LONGEST_PATH:
                asked = self._wanted.get(variable) is True or self._wanted.get(path) is True
                self._found[variable] = Found(path, variable, hint, is_own, asked)
                self._nameless.discard(variable)

    def _held(self, module: ModuleType, *, look_inside: bool) -> Iterator[tuple[str, ContextVar[Any], object]]:
        """Those at its top level and, of a module of the project, in the classes and objects of the project there."""
        for name, value in list(vars(module).items()):
            if is_a(value, ContextVar) and value.name != NUMPYS_OWN:
                yield name, value, module
            elif look_inside and not is_a(value, _PLAIN) and self._sources.is_own_class(_class_of(value)):
                inside = [(inner, one) for inner, one in members(value) if is_a(one, ContextVar)]
                yield from ((f"{name}.{inner}", one, value) for inner, one in inside)

    def _is_new(self, variable: ContextVar[Any], hint: Any) -> bool:
        """Whether nothing is known of it, or less: the module that makes it may say what it holds, others import it."""
        known = self._found.get(variable)
        return known is None or (known.hint is Any and hint is not Any)

    def _is_wanted(self, found: Found) -> bool:
        """As `carry` says of the variable, its path, or the module or package that has it; the narrowest counts."""
        module = found.path.partition(":")[0]
        packages = [module.rsplit(".", count)[0] for count in range(module.count(".") + 1)]
        names: list[ContextVar[Any] | str] = [found.path, *packages]
        if found.variable is not None:
            names.insert(0, found.variable)
        return next((self._wanted[one] for one in names if one in self._wanted), True)


def _listed(variable: ContextVar[Any]) -> str:
    return f"{LISTED}{variable.name}"


def _may_hold(module: str) -> bool:
    package = module.partition(".")[0]
    return module == "__main__" or not (package in sys.stdlib_module_names or package in _THEIR_OWN)


def _class_of(value: object) -> type:
    return value if is_a(value, type) else type(value)


def _type_of(holder: object, name: str) -> Any:
    """What `name: ContextVar[...]` says in a module or a class; Any where nothing does, or it cannot be resolved."""
    annotated: Any = holder if is_a(holder, (ModuleType, type)) else type(holder)
    home = annotated.__name__ if is_a(annotated, ModuleType) else module_of_class(annotated)
    try:
        annotation = annotated.__annotations__[name]
        alone = type("Alone", (), {"__annotations__": {name: annotation}, "__module__": home})
        hint = get_type_hints(alone, include_extras=True)[name]
    except Exception:  # noqa: BLE001 - none, names that are there for type checkers only, or what user code makes of it
        return Any
    return get_args(hint)[0] if get_origin(hint) is ContextVar else Any
