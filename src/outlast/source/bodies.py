"""What a function does to what it shares with others in its process: what it reads, and what it changes."""

from __future__ import annotations

import ast
import bisect
import heapq
import inspect
import logging
import operator
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, TypeGuard

from starlette.datastructures import State

from outlast.source.belongings import class_of, holds_data, is_cached, is_logger, is_table, takes_items
from outlast.source.meanings import Meaning, member
from outlast.source.sources import Sources
from outlast.source.stand_ins import stands_in
from outlast.source.syntax import CHANGING, FORGETTING, called_name
from outlast.source.tracing import Traced
from outlast.system.process import this
from outlast.text import is_a

_IN_PLACE = frozenset({"fill", "itemset", "partition", "resize"})
_OF_LOGGERS = frozenset({"addFilter", "addHandler", "removeFilter", "removeHandler", "setLevel"})
_CHANGE_WHAT_THEY_ARE_GIVEN = (
    *(heapq.heapify, heapq.heappop, heapq.heappush, heapq.heappushpop, heapq.heapreplace),
    *(bisect.insort_left, bisect.insort_right, operator.delitem, operator.setitem, random.shuffle),
)
_OF_THE_PROCESS = (logging.disable, os.putenv, os.unsetenv)
_MISSING = frozenset({"AttributeError", "KeyError", "NameError"})


@dataclass(frozen=True, slots=True)
class Use:
    """A place in the source that reads something which is known.

    missing: names that it is used for want of, as in `if _client is None: connect()`.
    """

    line: int
    meaning: Meaning
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """A place in the source that changes `value`, or rebinds its `attribute`: of a module, a global."""

    text: str
    line: int
    value: Any
    attribute: str = ""


class Body:
    """The source of one function in `file`, with what its names mean.

    `missing` are names of which it is known that they are not bound yet when it is called.
    """

    def __init__(self, file: str, names: Traced, sources: Sources, missing: frozenset[str] = frozenset()) -> None:
        self.name = names.node.name
        self.file = file
        self._names = names
        self._nodes = names.nodes
        self._first_use = FirstUse(names.nodes, missing)
        self._finder = Changes(names, sources, self._first_use)
        self._changes: dict[int, Change | None] = {}  # as far as they were asked for

    @cached_property
    def uses(self) -> list[Use]:
        """What the function reads of its module and of other modules of the project."""
        return list(self._found_uses())

    def _found_uses(self) -> Iterator[Use]:
        for node in self._nodes:
            if not _is_read(node) or id(node) in self._first_use.harmless:
                continue
            meaning = self._names.meaning(node) or self._method_of_new(node)
            if meaning is not None and meaning.exact and not self._is_replaced(meaning.value):
                yield Use(node.lineno, meaning, self._first_use.guarded.get(id(node), frozenset()))

    def _is_replaced(self, value: object) -> bool:
        return this.is_rehearsing and stands_in(value, self.file)

    def _method_of_new(self, node: ast.expr) -> Meaning | None:
        """A method of an object that the function makes for itself: `Mailer().send`."""
        cls = self._names.class_made(node.value) if isinstance(node, ast.Attribute) else None
        method = inspect.getattr_static(cls, node.attr, None) if isinstance(node, ast.Attribute) and cls else None
        return Meaning(ast.unparse(node), method, method) if is_a(method, FunctionType) else None

    def decorated_with(self) -> Iterator[Use]:
        """What its decorators are made of, such as a metric that counts its calls."""
        nodes = [inner for one in self._names.node.decorator_list for inner in ast.walk(one)]
        for node in nodes:
            if isinstance(node, ast.Name) and (meaning := self._names.meaning_of_name(node.id)) is not None:
                yield Use(node.lineno, meaning)

    def guards(self) -> Iterator[Use]:
        """What it enters that is out of a container, such as a lock for each user."""
        for node in self._entered:
            meaning = self._names.meaning(node)
            if meaning is not None and not meaning.exact and holds_data(meaning.value):
                yield Use(node.lineno, meaning)

    def changes(self) -> Iterator[Change]:
        """What it changes of its module and of others, other than what it makes at first use."""
        for place, node in enumerate(self._nodes):
            if place not in self._changes:
                self._changes[place] = self._finder.of(node)
            change = self._changes[place]
            if change is not None and not self._is_replaced(change.value):
                yield change

    @cached_property
    def _entered(self) -> list[ast.expr]:
        """What its `with` statements enter."""
        nodes = (node for node in self._nodes if isinstance(node, (ast.With, ast.AsyncWith)))
        return [item.context_expr for node in nodes if not self._first_use.only_makes(node) for item in node.items]


def _is_read(node: ast.AST) -> TypeGuard[ast.Call | ast.Name | ast.Attribute]:
    if isinstance(node, (ast.Name, ast.Attribute)):
        return isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.Call)


class Changes:
    """Finds them in one function, with what its names mean."""

    def __init__(self, names: Traced, sources: Sources, first_use: FirstUse) -> None:
        self._names = names
        self._sources = sources
        self._first_use = first_use

    def of(self, node: ast.AST) -> Change | None:
        """What a node changes, if anything."""
        if isinstance(node, ast.Call):
            return self._change_by_call(node)
        if isinstance(node, ast.Expr):
            return self._fill(node.value)
        if not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) or isinstance(node.ctx, ast.Load):
            return None
        if self._first_use.is_first_use(node):
            return None
        return self._rebinding(node) if isinstance(node, ast.Name) else self._change_inside(node)

    def _rebinding(self, node: ast.Name) -> Change | None:
        if node.id in self._names.rebound:
            return Change(f"the global `{node.id}`", node.lineno, self._names.module, node.id)
        cell = self._names.rebound_around(node.id)
        return Change(f"the closure variable `{node.id}`", node.lineno, cell, node.id) if cell is not None else None

    def _change_inside(self, node: ast.Attribute | ast.Subscript) -> Change | None:
        meaning = self._names.meaning(node.value)
        if meaning is None:
            return None
        if isinstance(node, ast.Subscript):
            is_change = takes_items(meaning.value) or self._is_state(meaning.value)
            return Change(f"`{meaning.text}`", node.lineno, meaning.value) if is_change else None
        is_of_logger = is_logger(meaning.value) and not self._hands_out(meaning)
        is_change = self._is_state(meaning.value) or is_table(meaning.value) or is_of_logger
        return Change(f"`{meaning.text}.{node.attr}`", node.lineno, meaning.value, node.attr) if is_change else None

    def _fill(self, node: ast.expr) -> Change | None:
        """A call of a cached function for nothing but what the cache has after it."""
        call = node.value if isinstance(node, ast.Await) else node
        called = self._names.meaning(call.func) if isinstance(call, ast.Call) else None
        if called is None or not called.exact or not is_cached(called.value):
            return None
        return Change(f"the cache of `{called.text}`", node.lineno, None)

    def _change_by_call(self, node: ast.Call) -> Change | None:
        called = self._names.meaning(node.func)
        if called is not None and (change := self._change_by_library(called, node)) is not None:
            return change
        if isinstance(node.func, ast.Name):
            is_builtin = called is None and not self._names.binds(node.func.id)
            return self._change_of_attribute(node) if is_builtin and node.func.id in ("setattr", "delattr") else None
        if not isinstance(node.func, ast.Attribute):
            return None
        if node.func.attr in ("__setattr__", "__delattr__"):
            return self._change_of_attribute(node)
        meaning = self._names.meaning(node.func.value)
        if meaning is None or not self._is_change(meaning, node):
            return None
        return Change(f"`{meaning.text}`", node.lineno, meaning.value)

    def _is_change(self, meaning: Meaning, call: ast.Call) -> bool:
        name = call.func.attr  # type: ignore[attr-defined]
        value = meaning.value
        if name in FORGETTING:
            return is_cached(value)
        if is_logger(value):
            return name in _OF_LOGGERS and not self._hands_out(meaning)
        if is_table(value) and (name in _IN_PLACE or any(one.arg == "inplace" for one in call.keywords)):
            return True
        if name not in CHANGING or not holds_data(value):
            return False
        # the project's own method: what it does is read there
        return not (isinstance(member(value, name), FunctionType) and self._is_own(value))

    def _change_by_library(self, called: Meaning, node: ast.Call) -> Change | None:
        """By a function of the standard library: `logging.disable()`, `heappush(jobs, job)`."""
        if any(called.value is one for one in _OF_THE_PROCESS):
            return Change(f"this process by `{called.text}()`", node.lineno, called.value)
        if not node.args or not any(called.value is one for one in _CHANGE_WHAT_THEY_ARE_GIVEN):
            return None
        given = self._names.meaning(node.args[0])
        if given is None or not holds_data(given.value):
            return None
        return Change(f"`{given.text}`", node.lineno, given.value)

    def _change_of_attribute(self, node: ast.Call) -> Change | None:
        """By `setattr(thing, name, value)`."""
        meaning = self._names.meaning(node.args[0]) if node.args else None
        if meaning is None or not self._is_state(meaning.value):
            return None
        asked = node.args[1] if len(node.args) > 1 else None
        name = str(asked.value) if isinstance(asked, ast.Constant) else ""
        if name and f"{meaning.text}.{name}" in self._first_use.tested:
            return None
        return Change(f"`{meaning.text}{name and '.'}{name}`", node.lineno, meaning.value, name)

    def _hands_out(self, meaning: Meaning) -> bool:
        """Whether it returns it, as who sets a logger up for others does."""
        return any(self._names.meaning(one) == meaning for one in self._names.assigned.returned)

    def _is_state(self, value: object) -> bool:
        if is_a(value, FunctionType):
            return self._sources.function(value) is not None
        return holds_data(value) or issubclass(class_of(value), (State, SimpleNamespace)) or self._is_own(value)

    def _is_own(self, value: object) -> bool:
        if is_a(value, ModuleType):
            return self._sources.is_own_module(value)
        return self._sources.is_own_class(value if is_a(value, type) else class_of(value))


class FirstUse:
    """What one function makes when it finds it missing. `missing` are names that are known not to be bound yet."""

    def __init__(self, nodes: Sequence[ast.AST], missing: frozenset[str]) -> None:
        self._nodes = nodes
        self._missing = missing

    @cached_property
    def harmless(self) -> set[int]:
        """The locks under which it only makes what it finds to be missing."""
        nodes = (node for node in self._nodes if isinstance(node, (ast.With, ast.AsyncWith)) and self.only_makes(node))
        return {id(inner) for node in nodes for item in node.items for inner in ast.walk(item.context_expr)}

    def only_makes(self, node: ast.With | ast.AsyncWith) -> bool:
        """Whether what a `with` statement guards is that."""
        inner = (one for statement in node.body for one in ast.walk(statement))
        stores = (one for one in inner if isinstance(one, (ast.Name, ast.Attribute, ast.Subscript)))
        return any(self.is_first_use(one) for one in stores if not isinstance(one.ctx, ast.Load))

    def is_first_use(self, node: ast.expr) -> bool:
        """Whether the function assigns what it found to be missing: `if _client is None: _client = ...`."""
        if id(node) in self._augmented:
            return False
        return called_name(node) in self._missing or ast.unparse(node) in self.tested

    @cached_property
    def _augmented(self) -> set[int]:
        return {id(node.target) for node in self._nodes if isinstance(node, ast.AugAssign)}

    @cached_property
    def tested(self) -> set[str]:
        """The names and attributes that it asks for before it makes them."""
        return {text for guard in self._nodes for text in _found_missing_by(guard)}

    @cached_property
    def guarded(self) -> dict[int, frozenset[str]]:
        """What is missing where a call stands, by the identity of what is called."""
        found: dict[int, frozenset[str]] = {}
        for guard in self._nodes:
            texts = list(_found_missing_by(guard))
            names = frozenset(text.rpartition(".")[2] for text in texts)
            for node in _behind(guard) if names else ():
                if isinstance(node, ast.Call):
                    found[id(node.func)] = found.get(id(node.func), frozenset()) | names
        return found


def _behind(guard: ast.AST) -> Iterator[ast.AST]:
    """What runs only if something is missing, as the guard has found."""
    statements: list[ast.stmt] = []
    if isinstance(guard, ast.If):
        statements = guard.body
    if isinstance(guard, ast.Try):
        statements = [one for handler in guard.handlers for one in handler.body]
    return (node for statement in statements for node in ast.walk(statement))


def _found_missing_by(guard: ast.AST) -> Iterator[str]:
    """What a guard asks for before it is made: `x is None`, `not hasattr(x, "y")`, `try: x.y except AttributeError`."""
    if isinstance(guard, ast.If):
        leaves = guard.body and isinstance(guard.body[-1], (ast.Return, ast.Raise, ast.Continue))
        yield from _missing_if(guard.test, holds=True)
        yield from _missing_if(guard.test, holds=False) if leaves or guard.orelse else ()
    elif isinstance(guard, ast.IfExp):
        yield from (*_missing_if(guard.test, holds=True), *_missing_if(guard.test, holds=False))
    elif isinstance(guard, ast.Try) and any(_catches_missing(one) for one in guard.handlers):
        nodes = (node for statement in guard.body for node in ast.walk(statement))
        yield from (ast.unparse(node) for node in nodes if isinstance(node, (ast.Name, ast.Attribute)))


def _catches_missing(handler: ast.ExceptHandler) -> bool:
    caught = ast.walk(handler.type) if handler.type is not None else ()
    return any(isinstance(one, ast.Name) and one.id in _MISSING for one in caught)


def _missing_if(test: ast.expr, *, holds: bool) -> Iterator[str]:
    """What is not there yet if a test holds, or if it does not: `x` where `x is None` holds, or `x` does not."""
    if isinstance(test, ast.BoolOp):
        for value in test.values:
            yield from _missing_if(value, holds=holds)
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _missing_if(test.operand, holds=not holds)
    elif isinstance(test, (ast.Name, ast.Attribute)) and not holds:
        yield ast.unparse(test)
    elif isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is if holds else ast.IsNot):
        yield ast.unparse(test.left)
    elif isinstance(test, ast.Call) and not holds and ast.unparse(test.func) == "hasattr" and len(test.args) == 2:
        asked = test.args[1]
        if isinstance(asked, ast.Constant):
            yield f"{ast.unparse(test.args[0])}.{asked.value!s}"
