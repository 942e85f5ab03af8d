"""What the modules of the project hold at this moment: who has a thing, and by which names it is reached."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Set
from functools import cached_property, reduce
from operator import or_
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType, NoneType

from starlette.datastructures import State

from outlast.source.belongings import holds_data
from outlast.source.sources import Sources
from outlast.text import is_a

MOST_OBJECTS = 20_000  # that are looked into for names
_ITS_OWN = (NoneType, GetSetDescriptorType, MemberDescriptorType)  # what Python itself has as a `__dict__`
_PLAIN = (str, bytes, int, float, NoneType)  # nothing of which it matters who has it


class Globals:
    """Looks once, when it is first asked: make a new one to look again."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def holders_of(self, thing: object) -> list[ModuleType]:
        """The modules that have `thing`, or a module that has it, as a global."""
        if thing is None:
            return []
        direct = self._places.get(id(thing), 0)
        through = [self._places.get(id(module), 0) for module in self._at(direct)]
        return self._at(reduce(or_, through, direct))

    def names_of(self, container: object) -> Set[str]:
        """The globals and attributes that lead to it."""
        return self._names.get(id(container), set())

    def closing_over(self, cell: object) -> list[FunctionType]:
        """The functions that modules hold to which the function around them has left what is in this cell."""
        return self._closures.get(id(cell), [])

    @cached_property
    def _closures(self) -> dict[int, list[FunctionType]]:
        """By the identity of cells."""
        closures: dict[int, list[FunctionType]] = {}
        for module in self._modules:
            functions = [value for _, value in members(module) if is_a(value, FunctionType)]
            for function in functions:
                for cell in function.__closure__ or ():
                    closures.setdefault(id(cell), []).append(function)
        return closures

    @cached_property
    def _modules(self) -> list[ModuleType]:
        return self._sources.own_modules()

    @cached_property
    def _places(self) -> dict[int, int]:
        """Which modules have a thing, by its identity: a bit for each. Sets would keep the garbage collector busy."""
        places: dict[int, int] = {}
        for place, module in enumerate(self._modules):
            self._sources.rest()
            for _, value in members(module):
                if not is_a(value, _PLAIN):
                    places[id(value)] = places.get(id(value), 0) | 1 << place
        return places

    def _at(self, places: int) -> list[ModuleType]:
        return [module for place, module in enumerate(self._modules) if places >> place & 1] if places else []

    @cached_property
    def _names(self) -> dict[int, set[str]]:
        """By the identity of containers, those in the modules and in objects that are reached from there."""
        names: dict[int, set[str]] = {}
        waiting: deque[object] = deque(self._modules)
        seen = set(map(id, waiting))
        while waiting and len(seen) < MOST_OBJECTS:
            self._sources.rest()
            holder = waiting.popleft()
            for name, value in members(holder):
                if holds_data(value):
                    names.setdefault(id(value), set()).add(name)
                elif id(value) not in seen and self._is_looked_into(value, holder):
                    seen.add(id(value))
                    waiting.append(value)
        return names

    def _is_looked_into(self, value: object, holder: object) -> bool:
        """Objects of the project wherever they are, those of libraries where a module has them."""
        if is_a(value, (*_PLAIN, FunctionType, ModuleType)):
            return False
        if is_a(holder, ModuleType):
            return not is_a(value, type) or self._sources.is_own_class(value)
        return is_a(value, State) or self._sources.is_own_class(value if is_a(value, type) else type(value))


def members(thing: object) -> Iterable[tuple[str, object]]:
    """What it has of its own, without running any code to get it."""
    if is_a(thing, State):
        return list(vars(thing)["_state"].items())
    if any(not isinstance(vars(one).get("__dict__"), _ITS_OWN) for one in type(thing).__mro__):
        return []
    try:
        return list(object.__getattribute__(thing, "__dict__").items())
    except AttributeError:  # it has slots only
        return []
