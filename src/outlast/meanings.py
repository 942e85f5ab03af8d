"""What the names in a function's source mean in the running program, and what the function does to them."""

from __future__ import annotations

import ast
import asyncio
import inspect
import queue
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import resolve_name
from types import FunctionType, ModuleType
from typing import Any

from starlette.datastructures import State

from outlast.sources import Source, Sources
from outlast.syntax import CHANGING, FunctionNode, bound
from outlast.text import is_a

_CONTAINERS = (list, dict, set, bytearray, deque, queue.Queue, queue.SimpleQueue, asyncio.Queue)
_SIGNALS = (asyncio.Event, threading.Event)
_UNKNOWN = object()


def is_container(value: object) -> bool:
    """Whether `value` is of a standard kind that holds or hands over data inside one process."""
    return is_a(value, (*_CONTAINERS, *_SIGNALS))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an expression leads to.

    `value` is the innermost object known on the way there, and what the expression gives if it is `exact`.
    `root` is the module-level object where the way begins, `owner` the one that has `value` as an attribute.
    """

    text: str
    value: Any
    root: Any
    owner: Any = None
    exact: bool = True

    def attribute(self, name: str) -> Meaning:
        """The meaning of `.name` behind this one."""
        text = f"{self.text}.{name}"
        found = _member(self.value, name) if self.exact else _UNKNOWN
        if found is _UNKNOWN:
            return Meaning(text, self.value, self.root, self.owner, exact=False)
        return Meaning(text, found, found if is_a(self.value, ModuleType) else self.root, self.value)

    def item(self) -> Meaning:
        """The meaning of `[...]` behind this one."""
        return Meaning(self.text, self.value, self.root, self.owner, exact=False)


def _member(value: object, name: str) -> Any:
    """An attribute, without running any code to get it."""
    if is_a(value, State):
        return vars(value)["_state"].get(name, _UNKNOWN)
    found = inspect.getattr_static(value, name, _UNKNOWN)
    if isinstance(found, (staticmethod, classmethod)):
        return found.__func__
    computed = hasattr(type(found), "__get__") and not isinstance(found, FunctionType)
    return _UNKNOWN if computed and not is_a(value, ModuleType) else found


@dataclass(frozen=True, slots=True)
class Change:
    """A place in the source that changes `value`, or rebinds its `attribute`."""

    text: str
    line: int
    value: Any
    attribute: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """A place in the source that reads something which is known."""

    line: int
    meaning: Meaning


class Body:
    """The source of one function, with what its names mean.

    `names` are the globals of its module. `receiver` is the object whose method it is, where that is known.
    """

    def __init__(
        self, source: Source, node: FunctionNode, names: Mapping[str, Any], receiver: object, sources: Sources
    ) -> None:
        self.name = node.name
        self.file = source.file
        # Not its decorators and defaults, which run while the module is imported.
        self._nodes = [inner for statement in node.body for inner in ast.walk(statement)]
        self._names = names
        self._sources = sources
        self._known = {**imports(self._nodes, names), **_first_parameter(node, receiver)}
        self._rebound = {name for each in self._nodes if isinstance(each, ast.Global) for name in each.names}
        self._locals = set(bound([*ast.walk(node.args), *self._nodes])) - self._rebound

    def uses(self) -> Iterator[Use]:
        """What the function reads of its module and of other modules of the project."""
        for node in self._nodes:
            if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
                meaning = self.meaning(node)
                if meaning is not None and meaning.exact:
                    yield Use(node.lineno, meaning)

    def changes(self) -> Iterator[Change]:
        """What it changes of its module and of others, other than what it makes at first use."""
        for node in self._nodes:
            change = self._change(node)
            if change is not None:
                yield change

    def binds(self, name: str) -> bool:
        """Whether `name` is its own: a parameter, or bound somewhere in it."""
        return name in self._locals

    def _change(self, node: ast.AST) -> Change | None:
        if isinstance(node, ast.Call):
            return self._change_by_call(node)
        if not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) or isinstance(node.ctx, ast.Load):
            return None
        if self._is_first_use(node):
            return None
        return self._rebinding(node) if isinstance(node, ast.Name) else self._change_inside(node)

    def _rebinding(self, node: ast.Name) -> Change | None:
        if node.id not in self._rebound:
            return None
        return Change(f"the global `{node.id}`", node.lineno, self._names.get(node.id))

    def _change_inside(self, node: ast.Attribute | ast.Subscript) -> Change | None:
        meaning = self.meaning(node.value)
        if meaning is None or not self._is_state(meaning.value):
            return None
        if isinstance(node, ast.Attribute):
            return Change(f"`{meaning.text}.{node.attr}`", node.lineno, meaning.value, node.attr)
        return Change(f"`{meaning.text}`", node.lineno, meaning.value)

    def _change_by_call(self, node: ast.Call) -> Change | None:
        if not isinstance(node.func, ast.Attribute) or node.func.attr not in CHANGING:
            return None
        meaning = self.meaning(node.func.value)
        if meaning is None or not is_container(meaning.value):
            return None
        if isinstance(_member(meaning.value, node.func.attr), FunctionType) and self._is_own(meaning.value):
            return None  # the project's own method: what it does is read there
        return Change(f"`{meaning.text}`", node.lineno, meaning.value)

    def _is_state(self, value: object) -> bool:
        return is_container(value) or is_a(value, State) or self._is_own(value)

    def _is_own(self, value: object) -> bool:
        if is_a(value, ModuleType):
            return self._sources.is_own_module(value)
        return self._sources.is_own_class(value if is_a(value, type) else type(value))

    def _is_first_use(self, node: ast.expr) -> bool:
        """Whether the function assigns what it found to be missing: `if _client is None: _client = ...`."""
        return id(node) not in self._augmented and _text(node) in self._tested

    @cached_property
    def _augmented(self) -> set[int]:
        return {id(node.target) for node in self._nodes if isinstance(node, ast.AugAssign)}

    @cached_property
    def _tested(self) -> set[str]:
        tests = (node.test for node in self._nodes if isinstance(node, (ast.If, ast.IfExp)))
        return {_text(tested) for test in tests for tested in _tested_in(test)}

    def meaning(self, node: ast.expr) -> Meaning | None:
        """What a name, attribute or item in the function leads to; None for what is local or not known."""
        if isinstance(node, ast.Name):
            return self._meaning_of_name(node.id)
        if not isinstance(node, (ast.Attribute, ast.Subscript)):
            return None
        base = self.meaning(node.value)
        if base is None:
            return None
        return base.attribute(node.attr) if isinstance(node, ast.Attribute) else base.item()

    def _meaning_of_name(self, name: str) -> Meaning | None:
        if name in self._known:
            return Meaning(name, self._known[name], self._known[name])
        if name in self._locals or name not in self._names:
            return None
        return Meaning(name, self._names[name], self._names[name])


def _text(node: ast.expr) -> str:
    return ast.unparse(node)


def _tested_in(test: ast.expr) -> Iterator[ast.expr]:
    if isinstance(test, ast.BoolOp):
        for value in test.values:
            yield from _tested_in(value)
    elif isinstance(test, ast.UnaryOp):
        yield from _tested_in(test.operand)
    elif isinstance(test, (ast.Name, ast.Attribute)):
        yield test
    elif isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.Is, ast.IsNot)):
        yield test.left


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


def _first_parameter(node: FunctionNode, receiver: object) -> dict[str, Any]:
    decorators = {_text(decorator) for decorator in node.decorator_list}
    parameters = [*node.args.posonlyargs, *node.args.args]
    bound_to_class = is_a(receiver, type)
    if receiver is None or not parameters or "staticmethod" in decorators:
        return {}
    return {parameters[0].arg: receiver} if bound_to_class == ("classmethod" in decorators) else {}
