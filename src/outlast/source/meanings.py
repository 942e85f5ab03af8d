"""What the names in a function's source mean in the running program."""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

from starlette.datastructures import State

from outlast.source.belongings import Made
from outlast.source.syntax import FunctionNode, bound, executed, imported_names
from outlast.text import is_a

UNKNOWN = object()
WRAPPERS = 6  # decorators around one function, at most


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an expression leads to.

    `value` is the innermost object known on the way there, and what the expression gives if it is `exact`.
    `root` is the module-level object where the way begins, `owner` the one that has `value` as an attribute: of a
    global, its module, and of what is kept for it by the function around it, the cell.
    """

    text: str
    value: Any
    root: Any
    owner: Any = None
    exact: bool = True

    @property
    def name(self) -> str:
        """The last name on the way."""
        return self.text.rpartition(".")[2].removesuffix("()")

    def attribute(self, name: str, found: Any) -> Meaning:
        """The meaning of `.name` behind this one, which is `found`."""
        text = f"{self.text}.{name}"
        if found is UNKNOWN:
            return Meaning(text, self.value, self.root, self.owner, exact=False)
        return Meaning(text, found, found if is_a(self.value, ModuleType) else self.root, self.value)

    def item(self) -> Meaning:
        """The meaning of `[...]` behind this one."""
        return Meaning(self.text, self.value, self.root, self.owner, exact=False)


def member(value: object, name: str) -> Any:
    """An attribute, without running any code to get it; UNKNOWN where code would have to run, or there is none."""
    if is_a(value, State):
        return vars(value)["_state"].get(name, UNKNOWN)
    found = inspect.getattr_static(value.cls if is_a(value, Made) else value, name, UNKNOWN)
    if isinstance(found, (staticmethod, classmethod)):
        return found.__func__
    if is_a(value, ModuleType) or isinstance(found, FunctionType) or not hasattr(type(found), "__get__"):
        return found
    return found if hasattr(found, "cache_clear") else UNKNOWN  # a method in a wrapper binds as it would alone


class Names:
    """What the names in one function mean, where that does not depend on a call.

    `namespace` are the globals of its module. `known` are names of its own whose objects are known: those of the
    function around it by their cells.
    """

    def __init__(self, node: FunctionNode, namespace: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        self.node = node
        # Not its decorators and defaults, which run while the module is imported.
        self.nodes = [inner for statement in node.body for inner in ast.walk(statement)]
        self.nodes += executed(self.nodes)
        self.namespace = namespace
        self.rebound = {name for each in self.nodes if isinstance(each, ast.Global) for name in each.names}
        self._nonlocal = [each for each in self.nodes if isinstance(each, ast.Nonlocal)]
        self._known = {**known, **imports(self.nodes, namespace)}
        self._locals = set(bound([*ast.walk(node.args), *self.nodes])) - self.rebound

    def binds(self, name: str) -> bool:
        """Whether `name` is its own: a parameter, or bound somewhere in it."""
        return name in self._locals

    def rebound_around(self, name: str) -> CellType | None:
        """What keeps a name that it binds anew for the function around it and the others in that."""
        known = self._known.get(name) if any(name in each.names for each in self._nonlocal) else None
        return known if is_a(known, CellType) else None

    def is_builtin(self, name: str) -> bool:
        """Whether `name` is one of those that Python itself has."""
        return not self.binds(name) and name not in self.namespace and hasattr(builtins, name)

    @cached_property
    def module(self) -> ModuleType | None:
        """That of its globals, where it is imported."""
        found = sys.modules.get(str(self.namespace.get("__name__")))
        return found if found is not None and vars(found) is self.namespace else None

    def meaning(self, node: ast.expr) -> Meaning | None:
        """What a name, attribute or item in the function leads to; None for what is local or not known."""
        if isinstance(node, ast.Name):
            return self.meaning_of_name(node.id)
        if not isinstance(node, (ast.Attribute, ast.Subscript)):
            return None
        base = self.meaning(node.value)
        if base is None:
            return None
        if isinstance(node, ast.Subscript) and base.exact and base.value is sys.modules:
            return self.module_meant(node.slice, f"{base.text}[{ast.unparse(node.slice)}]")
        return self.meaning_of_attribute(base, node.attr) if isinstance(node, ast.Attribute) else base.item()

    def meaning_of_name(self, name: str) -> Meaning | None:
        """What a name alone leads to."""
        if name in self._known:
            known = self._known[name]
            return _kept_around(name, known) if is_a(known, CellType) else Meaning(name, known, known)
        if name in self._locals or name not in self.namespace:
            return None
        return Meaning(name, self.namespace[name], self.namespace[name], self.module)

    def module_meant(self, name: ast.expr, text: str) -> Meaning | None:
        """The module that is asked for by `__name__` or by a name in quotes; `text` is how."""
        is_own = isinstance(name, ast.Name) and name.id == "__name__"
        asked = self.namespace.get("__name__") if is_own else getattr(name, "value", None)
        module = sys.modules.get(asked) if isinstance(asked, str) else None
        return Meaning(text, module, module) if module is not None else None

    def meaning_of_attribute(self, base: Meaning, name: str) -> Meaning:
        """What `.name` behind a meaning leads to."""
        return base.attribute(name, member(base.value, name) if base.exact else UNKNOWN)


def _kept_around(name: str, cell: CellType) -> Meaning | None:
    """What a cell keeps, which is data of its own as soon as it is something that cannot be called."""
    try:
        value = cell.cell_contents
    except ValueError:  # it is bound later
        return None
    return Meaning(name, value, value, None if callable(value) else cell)


def imports(nodes: Iterable[ast.AST], names: Mapping[str, Any]) -> dict[str, Any]:
    """What the imports among `nodes` bind, as far as it is imported already; `names` are those of their module."""
    bound_names = imported_names(nodes, names.get("__package__") or "")
    found = {name: object_named(full_name) for name, full_name in bound_names}
    return {name: one for name, one in found.items() if one is not UNKNOWN}


def object_named(full_name: str) -> Any:
    """What `package.module.name` leads to among the imported modules, or UNKNOWN. Runs no code."""
    *above, _ = parts = full_name.split(".")
    for count in range(len(above), 0, -1):
        module = sys.modules.get(".".join(parts[:count]))
        found = UNKNOWN if module is None else reduce(member, parts[count:], module)
        if found is not UNKNOWN:
            return found
    module = sys.modules.get(full_name)
    return UNKNOWN if module is None else module


def innermost(function: Any, receiver: object) -> tuple[Any, object]:
    """The function that runs in the end when `function` is called, and the object whose method it is."""
    for _ in range(WRAPPERS):
        if is_a(function, MethodType):
            function, receiver = function.__func__, function.__self__
        wrapped = inspect.getattr_static(function, "__wrapped__", None)
        if wrapped is None:
            break
        function = wrapped
    return function, None if is_a(receiver, ModuleType) else receiver
