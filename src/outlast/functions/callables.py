"""Functions as arguments of tasks: `add_task(safely, send, to)`. Which of them a row may name, and by what.

A row is data, and data must not choose code. So a name that stands in a row for a function is followed only if

- it stands for a whole argument, and the annotation of that parameter says `Callable` or `type`, or says nothing;
- it begins in a module of the project itself, and leads on through its classes, or through one object that it holds,
  never through a module that it has imported;
- it leads to a function, method or class that the project has written; or, where the annotation says so, to what an
  installed package has written and a module of the project holds, such as `main:mailer.send`. It never leads to the
  standard library or the builtins: no row can pass `os:system` to a function.

This is asked of the object that is found, when the name is written and when it is read. What runs the task itself is
named by another column, which only `add_task` and `enqueue` fill.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from outlast.errors import NotStorable, TargetNotFound
from outlast.functions.names import Function, Held, owner_of, path_of, resolve, shown
from outlast.functions.values import Place, parts, replaced
from outlast.source.sources import Sources

FUNCTION = "function"  # the mark of a name that stands for a function
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_REMEDY = "pass a function of the project that calls it"


class Callables:
    """Names functions that are passed to tasks, and finds them again.

    `reason_of` says why the function at a path has to stay in this process; empty when it need not.
    """

    def __init__(
        self,
        sources: Sources | None = None,
        held: Held | None = None,
        reason_of: Callable[[Function, str], str] = lambda _function, _path: "",
    ) -> None:
        self._sources = sources or Sources()
        self._held = held or Held(self._sources)
        self._reason_of = reason_of

    def is_one(self, value: object, hint: Any) -> bool:
        """Whether `value` is passed as a function to a parameter annotated `hint`."""
        if not callable(value):
            return False
        is_plainly_one = inspect.isroutine(value) or isinstance(value, (type, partial))
        return says_callable(hint) or (hint is Any and is_plainly_one)

    def name(self, function: Function, hint: Any) -> str:
        """The path of a function that is passed to a parameter annotated `hint`. Raises NotStorable."""
        path = path_of(function, self._held)
        if not self._begins_in_the_project(path):
            path = self._held.path_to(function) or path
        reason = self._forbids(path, function, hint) or self._reason_of(function, path)
        if reason:
            raise NotStorable(reason)
        return path

    def find(self, path: str, hint: Any) -> Function:
        """What `name` has named. Raises TargetNotFound, also for what no row may name."""
        if not isinstance(path, str) or not self._begins_in_the_project(path):
            raise TargetNotFound(f"{path} is no function of the project, and a row may name no other")
        function = resolve(path)
        reason = self._forbids(path, function, hint)
        if reason:
            raise TargetNotFound(reason)
        return function

    def is_own(self, function: Function) -> bool:
        """Whether the project has written it."""
        return self._sources.is_own_module(sys.modules.get(_home(function)))

    def _forbids(self, path: str, function: Function, hint: Any) -> str:
        home = _home(function)
        if self._begins_in_the_project(path) and not _leads_astray(path):
            if self.is_own(function):
                return ""
            if home and home.partition(".")[0] not in sys.stdlib_module_names and says_callable(hint):
                return ""
        return f"{shown(function)} is not of the project, and a stored argument may name no other function: {_REMEDY}"

    def _begins_in_the_project(self, path: str) -> bool:
        """Whether its module is of the project; asked before it is imported, which runs it."""
        name = path.partition(":")[0]
        if name in sys.modules:
            return self._sources.is_own_module(sys.modules[name])
        top = name.partition(".")[0]
        try:
            spec = find_spec(top) if top else None
        except ValueError:  # a module without a spec
            return False
        return spec is not None and any(map(self._sources.is_own_file, _files_of(spec)))


class Passed:
    """Those arguments of calls of one function that are functions themselves."""

    def __init__(self, signature: inspect.Signature, hints: Mapping[str, Any], callables: Callables) -> None:
        self._callables = callables
        self._variadic = {name for name, its in signature.parameters.items() if its.kind in _VARIADIC}
        all_hints = {name: _inner_hint(hint) if name in self._variadic else hint for name, hint in hints.items()}
        self._hints = {name: hint for name, hint in all_hints.items() if hint is Any or says_callable(hint)}

    def named(self, given: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Place]]:
        """The arguments with names in place of functions, and where these are. Raises NotStorable."""
        named, places = given, []
        for place, value in self._open_to_functions(given):
            if self.is_function(str(place[0]), value):
                name = partial(self._callables.name, hint=self._hints[place[0]])
                named = replaced({**named}, place, name)
                places.append(place)
        return named, places

    def found(self, given: dict[str, Any], places: Iterable[Sequence[Any]]) -> dict[str, Any]:
        """The arguments with the functions that are named at `places`. Raises TargetNotFound."""
        allowed = [place for place, _ in self._open_to_functions(given)]
        for place in places:
            if tuple(place) not in allowed:
                raise TargetNotFound("a function is named where none can be passed")
            given = replaced(given, place, partial(self._callables.find, hint=self._hints[place[0]]))
        return given

    def is_function(self, parameter: str, value: object) -> bool:
        """Whether `value` is passed as a function to that parameter."""
        return parameter in self._hints and self._callables.is_one(value, self._hints[parameter])

    def _open_to_functions(self, given: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
        """The arguments that may be functions, those of `*args` and `**kwargs` one by one."""
        for name in self._hints.keys() & given.keys() if self._hints else ():
            if name in self._variadic:
                yield from (((name, key), one) for key, one in (parts(given[name]) or {}).items())
            else:
                yield (name,), given[name]


def _inner_hint(hint: Any) -> Any:
    """Of what is inside `*args` or `**kwargs`; object where each has its own."""
    if get_origin(hint) is tuple:
        return get_args(hint)[0]
    return get_args(hint)[1] if get_origin(hint) is dict else object


def asks_for_function(hint: Any) -> bool:
    """Whether an annotation asks for a function or class and allows nothing else."""
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    is_protocol = getattr(hint, "_is_protocol", False) and "__call__" in vars(hint)
    return is_protocol or any(one is Callable or one is type for one in (hint, get_origin(hint)))


def says_callable(hint: Any) -> bool:
    """Whether an annotation asks for a function or class, or allows one beside others."""
    is_union = get_origin(hint) in (Union, UnionType)
    return any(map(says_callable, get_args(hint))) if is_union else asks_for_function(hint)


def without_functions(hint: Any) -> Any:
    """The annotation of what stands in a row: of a function, its name."""
    inner = get_args(hint)
    if says_callable(hint):
        return Any
    if get_origin(hint) is tuple and inner[1:] == (...,) and says_callable(inner[0]):
        return tuple[Any, ...]
    return dict[str, Any] if get_origin(hint) is dict and says_callable(inner[1]) else hint


def _home(function: Function) -> str:
    """The module in which a function was written, or the class of an object that can be called; empty if unknown."""
    module = getattr(function, "__module__", None)
    if isinstance(module, str):
        return module
    owner, name = type(owner_of(function)), getattr(function, "__name__", "")
    return next((cls.__module__ for cls in owner.__mro__ if name in vars(cls)), "")


def _leads_astray(path: str) -> bool:
    """Whether it leads through more than classes, or one object."""
    module_name, _, qualname = path.partition(":")
    found: Any = sys.modules.get(module_name)
    way = [found := getattr(found, name, None) for name in qualname.split(".")[:-1]]
    through_classes = all(isinstance(one, type) for one in way)
    return not through_classes and (len(way) > 1 or isinstance(way[0], ModuleType))


def _files_of(spec: ModuleSpec) -> list[str]:
    return [spec.origin or "", *(f"{place}/__init__.py" for place in spec.submodule_search_locations or ())]
