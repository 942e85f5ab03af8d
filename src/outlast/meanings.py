"""What the names in a function's source mean in the running program."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import resolve_name
from types import FunctionType, ModuleType
from typing import Any

from starlette.datastructures import State

from outlast.belongings import Made
from outlast.syntax import FunctionNode, bound
from outlast.text import is_a

UNKNOWN = object()


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an expression leads to.

    `value` is the innermost object known on the way there, and what the expression gives if it is `exact`.
    `root` is the module-level object where the way begins, `owner` the one that has `value` as an attribute: of a
    global, its module.
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
    computed = hasattr(type(found), "__get__") and not isinstance(found, FunctionType) and not _is_partly(found)
    return UNKNOWN if computed and not is_a(value, ModuleType) else found


def _is_partly(found: object) -> bool:
    """Whether it is a method in a wrapper that keeps results, which binds as the method alone would."""
    return hasattr(found, "cache_clear")


class Names:
    """What the names in one function mean, where that does not depend on a call.

    `namespace` are the globals of its module. `known` are names of its own whose objects are known.
    """

    def __init__(self, node: FunctionNode, namespace: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        self.node = node
        # Not its decorators and defaults, which run while the module is imported.
        self.nodes = [inner for statement in node.body for inner in ast.walk(statement)]
        self.namespace = namespace
        self.rebound = {name for each in self.nodes if isinstance(each, ast.Global) for name in each.names}
        self._known = {**known, **imports(self.nodes, namespace)}
        self._locals = set(bound([*ast.walk(node.args), *self.nodes])) - self.rebound

    def binds(self, name: str) -> bool:
        """Whether `name` is its own: a parameter, or bound somewhere in it."""
        return name in self._locals

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
        return self.meaning_of_attribute(base, node.attr) if isinstance(node, ast.Attribute) else base.item()

    def meaning_of_name(self, name: str) -> Meaning | None:
        """What a name alone leads to."""
        if name in self._known:
            return Meaning(name, self._known[name], self._known[name])
        if name in self._locals or name not in self.namespace:
            return None
        return Meaning(name, self.namespace[name], self.namespace[name], self.module)

    def meaning_of_attribute(self, base: Meaning, name: str) -> Meaning:
        """What `.name` behind a meaning leads to."""
        return base.attribute(name, member(base.value, name) if base.exact else UNKNOWN)


def imports(nodes: list[ast.AST], names: Mapping[str, Any]) -> dict[str, Any]:
    """What the imports among `nodes` bind, as far as it is imported already; `names` are those of their module."""
    found: dict[str, Any] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(_imported_modules(node))
        elif isinstance(node, ast.ImportFrom):
            found.update(_imported_names(node, names))
    return found


def _imported_modules(node: ast.Import) -> Iterator[tuple[str, Any]]:
    for alias in node.names:
        module = sys.modules.get(alias.name if alias.asname else alias.name.partition(".")[0])
        if module is not None:
            yield alias.asname or alias.name.partition(".")[0], module


def _imported_names(node: ast.ImportFrom, names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    module_name = "." * node.level + (node.module or "")
    try:
        module = sys.modules.get(resolve_name(module_name, names.get("__package__") or ""))
    except ImportError:  # a relative import outside of a package
        return
    for alias in node.names:
        if module is not None and alias.name in vars(module):
            yield alias.asname or alias.name, vars(module)[alias.name]
