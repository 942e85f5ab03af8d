"""The object whose method a function is, where no more is known of it than its class."""

from __future__ import annotations

import ast
import re
import sys
from types import FunctionType
from typing import Any

from outlast.source.belongings import holds_data
from outlast.source.meanings import Meaning, member
from outlast.source.sources import Sources
from outlast.source.syntax import FunctionNode
from outlast.text import is_a, module_of_class


class Itself:
    """What is shared of it, since it is its class's: that itself, and the containers that stand in its body.

    `cls` is None where the object is known, or there is none.
    """

    def __init__(self, cls: type | None, node: FunctionNode, sources: Sources) -> None:
        self._cls = cls
        self._name = next((one.arg for one in (*node.args.posonlyargs, *node.args.args)), "")
        self._sources = sources

    def meaning(self, node: ast.expr) -> Meaning | None:
        """What `type(self)`, `self.__class__` or `self.log` leads to; None for all else."""
        if self._cls is None:
            return None
        if isinstance(node, ast.Call):
            is_asked = ast.unparse(node.func) == "type" and list(map(self._is_it, node.args)) == [True]
            return Meaning(ast.unparse(node), self._cls, self._cls) if is_asked else None
        if not isinstance(node, ast.Attribute) or not self._is_it(node.value):
            return None
        if node.attr == "__class__":
            return Meaning(ast.unparse(node), self._cls, self._cls)
        found: Any = member(self._cls, node.attr)
        is_shared = holds_data(found) and not _assigns_own(self._cls, node.attr, self._sources)
        return Meaning(ast.unparse(node), found, self._cls, self._cls) if is_shared else None

    def _is_it(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == self._name


def class_around(function: FunctionType, node: FunctionNode) -> type | None:
    """The class of a module that a method stands in; None for those whose first parameter is no object of it."""
    name, *rest = function.__qualname__.split(".")
    found = function.__globals__.get(name) if len(rest) == 1 else None
    is_bound = not {"staticmethod", "classmethod"} & {ast.unparse(one) for one in node.decorator_list}
    return found if is_bound and is_a(found, type) else None


def _assigns_own(cls: type, name: str, sources: Sources) -> bool:
    """Whether its objects may get an attribute of that name for themselves."""
    assigned = re.compile(rf"\.{re.escape(name)}\s*(?::[^=\n]+)?=(?!=)")
    modules = (sys.modules.get(module_of_class(base)) for base in cls.__mro__)
    found = (sources.module(module) for module in modules if module is not None)
    return any(source is not None and assigned.search(source.text) for source in found)
