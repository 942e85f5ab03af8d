"""What local names, getters and attributes that are made at first use lead to, as far as the project's source says."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import logging
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from types import FunctionType, ModuleType
from typing import Any

from outlast.source.belongings import Made, class_of, holds_data, is_cached
from outlast.source.itself import Itself, class_around
from outlast.source.meanings import UNKNOWN, Meaning, Names, innermost
from outlast.source.sources import Sources
from outlast.source.syntax import FunctionNode, assignments, bound
from outlast.text import is_a

STEPS = 4  # calls that are followed from one expression
_GIVES_WHAT_IS_INSIDE = frozenset({"get", "setdefault", "__getitem__"})
_LOCK_MAKERS = (threading.Lock, threading.RLock)  # functions before Python 3.13
_DISPLAYS: Mapping[type[ast.expr], type] = {
    **dict.fromkeys((ast.List, ast.ListComp), list),
    **dict.fromkeys((ast.Dict, ast.DictComp), dict),
    **dict.fromkeys((ast.Set, ast.SetComp), set),
}


class Assigned:
    """What one function assigns, and what it returns, in its `nodes`; `rebound` are the globals among its names."""

    def __init__(self, node: FunctionNode, nodes: Sequence[ast.AST], rebound: Collection[str]) -> None:
        self._node = node
        self._nodes = nodes
        self._pairs = list(assignments(nodes))
        self._rebound = rebound

    @cached_property
    def once(self) -> Mapping[str, ast.expr]:
        """What is assigned to those names of its own that are bound once."""
        times = Counter(bound([*ast.walk(self._node.args), *self._nodes]))
        return {one.id: value for one, value in self._pairs if isinstance(one, ast.Name) and times[one.id] == 1}

    @cached_property
    def returned(self) -> list[ast.expr]:
        """What it returns."""
        return [node.value for node in self._nodes if isinstance(node, ast.Return) and node.value is not None]

    def to_attribute(self, name: str) -> Iterator[ast.expr]:
        """What is assigned to that attribute of its first parameter."""
        first = [one.arg for one in (*self._node.args.posonlyargs, *self._node.args.args)][:1]
        for target, value in self._pairs:
            if isinstance(target, ast.Attribute) and target.attr == name and ast.unparse(target.value) in first:
                yield value

    def to_global(self, name: str) -> Iterator[ast.expr]:
        """What is assigned to a global."""
        if name in self._rebound:
            yield from (value for target, value in self._pairs if isinstance(target, ast.Name) and target.id == name)


class Tracer:
    """Follows names and calls through the sources, and remembers what classes keep."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._kept: dict[tuple[type, str], type | None] = {}

    def names(self, node: FunctionNode, namespace: Mapping[str, Any], receiver: object = None) -> Traced:
        """What the names in a function mean of which only the source is known."""
        return Traced(self, node, namespace, _first_parameter(node, receiver), STEPS)

    def names_of(self, function: FunctionType, node: FunctionNode, receiver: object, steps: int = STEPS) -> Traced:
        """The same for a function that is there; `receiver` is the object whose method it is, where that is known."""
        known = {**_closed_over(function), **_defaults(function), **_first_parameter(node, receiver)}
        found = Traced(self, node, function.__globals__, known, steps)
        if receiver is None:
            found.itself = Itself(class_around(function, node), node, self.sources)
        return found

    def class_kept(self, cls: type, name: str, steps: int) -> type | None:
        """Of which class the attribute is that instances of a class of the project, or it itself, get when they run."""
        if (cls, name) not in self._kept:
            self._kept[cls, name] = None  # while it is looked for
            self._kept[cls, name] = next(self._classes_kept(cls, name, steps), None)
        return self._kept[cls, name]

    def _classes_kept(self, cls: type, name: str, steps: int) -> Iterator[type]:
        field = getattr(cls, "__dataclass_fields__", {}).get(name)
        if field is not None and isinstance(field.default_factory, type):
            yield field.default_factory
        for method, receiver in _methods(cls):
            found = self.sources.function(method)
            if found is None or f".{name}" not in found[0].text:
                continue
            names = self.names_of(method, found[1], receiver, steps)
            yield from (made for value in names.assigned.to_attribute(name) if (made := names.class_made(value)))


class Traced(Names):
    """What the names in one function mean, where it takes its local names from and what the calls in it give."""

    def __init__(
        self, tracer: Tracer, node: FunctionNode, namespace: Mapping[str, Any], known: Mapping[str, Any], steps: int
    ) -> None:
        super().__init__(node, namespace, known)
        self.itself = Itself(None, node, tracer.sources)
        self._tracer = tracer
        self._steps = steps
        self._followed: set[str] = set()  # local names that are being followed: one may lead to itself
        self._calls: dict[int, Meaning | None] = {}

    def meaning(self, node: ast.expr) -> Meaning | None:
        """What an expression leads to; None for what the function has for itself, or what is not known."""
        if isinstance(node, (ast.Await, ast.NamedExpr)):
            return self.meaning(node.value)
        if (own := self.itself.meaning(node)) is not None:
            return own
        if not isinstance(node, ast.Call):
            return super().meaning(node)
        if id(node) not in self._calls:
            self._calls[id(node)] = None  # while it is followed
            self._calls[id(node)] = self._meaning_of_call(node)
        return self._calls[id(node)]

    def meaning_of_name(self, name: str) -> Meaning | None:
        """What a name alone leads to: that of a local one which is bound once is what it stands for."""
        found = super().meaning_of_name(name)
        if found is not None:
            return self._made_later(found) if found.value is None and is_a(found.owner, ModuleType) else found
        value = self.assigned.once.get(name)
        if value is None or name in self._followed:
            return None
        self._followed.add(name)
        found = self.meaning(value)
        self._followed.discard(name)
        return found if found is not None and (found.exact or holds_data(found.value)) else None

    def meaning_of_attribute(self, base: Meaning, name: str) -> Meaning:
        """What `.name` behind a meaning leads to, also where it is there only when it was asked for once."""
        if name == "__dict__":
            return base.item()
        plain = super().meaning_of_attribute(base, name)
        if not base.exact or (plain.exact and plain.value is not None) or self._steps == 0:
            return plain
        return self._from_source(base, name, plain) or plain

    def class_made(self, node: ast.expr) -> type | None:
        """Of which class a new object is that an expression makes; None where it makes none, or that is not known."""
        if type(node) in _DISPLAYS:
            return _DISPLAYS[type(node)]
        if isinstance(node, (ast.Await, ast.NamedExpr)):
            return self.class_made(node.value)
        if isinstance(node, (ast.BoolOp, ast.IfExp)):
            sides = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
            return next(filter(None, map(self.class_made, sides)), None)
        if isinstance(node, ast.Name) and node.id in self.assigned.once and node.id not in self._followed:
            self._followed.add(node.id)
            made = self.class_made(self.assigned.once[node.id])
            self._followed.discard(node.id)
            return made
        return self._class_called(node) if isinstance(node, ast.Call) else None

    @cached_property
    def assigned(self) -> Assigned:
        """What it binds, and what it returns."""
        return Assigned(self.node, self.nodes, self.rebound)

    def _meaning_of_call(self, node: ast.Call) -> Meaning | None:
        if isinstance(node.func, ast.Name) and self.is_builtin(node.func.id):
            return self._given_by_builtin(node.func.id, node.args)
        called = self.meaning(node.func)
        if called is None or self._steps == 0:
            return None
        if called.value is importlib.import_module and node.args:
            return self.module_meant(node.args[0], ast.unparse(node))
        if called.exact:
            return self._given(called)
        is_inside = isinstance(node.func, ast.Attribute) and node.func.attr in _GIVES_WHAT_IS_INSIDE
        return called.item() if is_inside and holds_data(called.value) else None

    def _given_by_builtin(self, name: str, arguments: list[ast.expr]) -> Meaning | None:
        if name == "globals":
            return Meaning("globals()", self.namespace, self.module, exact=False)
        if name == "__import__" and arguments:
            return self.module_meant(arguments[0], f"__import__({ast.unparse(arguments[0])})")
        base = self.meaning(arguments[0]) if arguments and name in ("vars", "getattr") else None
        if base is None or name == "vars":
            return base.item() if base else None
        asked = arguments[1] if len(arguments) > 1 else None
        if not isinstance(asked, ast.Constant) or not isinstance(asked.value, str):
            return None
        return self.meaning_of_attribute(base, asked.value)

    def _given(self, called: Meaning) -> Meaning | None:
        """What a call gives that others get, too: an object of a module, or one that is made once."""
        text = f"{called.text}()"
        if called.value is logging.getLogger:
            return Meaning(text, Made(logging.Logger, logging), logging)
        if is_a(called.value, type):
            made = Made(called.value, called.value)
            return Meaning(text, made, called.value) if self._has_one_instance(called.value) else None
        return self._returned_by(called, text, by=called.value if is_cached(called.value) else None)

    def _returned_by(self, called: Meaning, text: str, by: object) -> Meaning | None:
        """What a function returns; `by` keeps what it makes, if anything does."""
        names = self._names_in(called.value, called.owner)
        if names is None:
            return None
        for value in names.assigned.returned:
            found = names.meaning(value)
            if found is not None:
                return Meaning(text, found.value, found.root, found.owner, exact=found.exact)
        made = next(filter(None, map(names.class_made, names.assigned.returned)), None) if by is not None else None
        return Meaning(text, Made(made, by), called.root, called.owner) if made else None

    def _names_in(self, called: Any, owner: object) -> Traced | None:
        function, receiver = innermost(called, owner)
        found = self._tracer.sources.function(function)
        return self._tracer.names_of(function, found[1], receiver, self._steps - 1) if found else None

    def _class_called(self, node: ast.Call) -> type | None:
        if isinstance(node.func, ast.Name) and self.is_builtin(node.func.id):
            found = getattr(builtins, node.func.id)
            return found if isinstance(found, type) else None
        if isinstance(node.func, ast.Attribute) and node.func.attr == "__new__" and node.args:
            made = self.meaning(node.args[0])
            return made.value if made is not None and is_a(made.value, type) else None
        called = self.meaning(node.func)
        if called is None or not called.exact or self._steps == 0:
            return None
        if is_a(called.value, type) or any(called.value is one for one in _LOCK_MAKERS):
            return called.value if is_a(called.value, type) else type(called.value())
        names = self._names_in(called.value, called.owner)
        return next(filter(None, map(names.class_made, names.assigned.returned)), None) if names else None

    def _made_later(self, found: Meaning) -> Meaning:
        """A global that is None until a function assigns what it makes."""
        source = self._tracer.sources.module(found.owner)
        for node in source.naming(found.name) if source and self._steps else ():
            names = Traced(self._tracer, node, vars(found.owner), {}, self._steps - 1)
            for value in names.assigned.to_global(found.name):
                made = names.class_made(value)
                if made is not None:
                    return Meaning(found.text, Made(made, (found.owner, found.name)), found.owner, found.owner)
        return found

    def _from_source(self, base: Meaning, name: str, plain: Meaning) -> Meaning | None:
        cls = base.value if is_a(base.value, type) else class_of(base.value)
        if not self._tracer.sources.is_own_class(cls):
            return None
        computed = inspect.getattr_static(cls, name, UNKNOWN)
        way = (base.value, name)
        if isinstance(computed, property) and computed.fget is not None:
            return self._returned_by(Meaning(plain.text, computed.fget, base.root, base.value), plain.text, by=None)
        if isinstance(computed, cached_property):
            return self._returned_by(Meaning(plain.text, computed.func, base.root, base.value), plain.text, by=way)
        made = self._tracer.class_kept(cls, name, self._steps - 1)
        return Meaning(plain.text, Made(made, way), base.root, base.value) if made else None

    def _has_one_instance(self, cls: type) -> bool:
        """Whether a class of the project decides itself what a call of it gives, as singletons do."""
        makers = [vars(base).get("__new__") for base in cls.__mro__]
        callers = [vars(base).get("__call__") for base in inspect.getmro(type(cls))]
        functions = (one.__func__ if isinstance(one, staticmethod) else one for one in (*makers, *callers))
        return any(self._tracer.sources.function(one) is not None for one in functions)


def _methods(cls: type) -> Iterator[tuple[FunctionType, object]]:
    """Those of a class and its bases, each with what stands for its first parameter."""
    for base in cls.__mro__:
        for method in list(vars(base).values()):
            if isinstance(method, classmethod):
                yield method.__func__, cls  # type: ignore[misc]
            elif isinstance(method, FunctionType):
                yield method, Made(cls, cls)


def _closed_over(function: FunctionType) -> dict[str, Any]:
    """The cells in which the function around it has left something to it."""
    return dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))


def _defaults(function: FunctionType) -> dict[str, Any]:
    """The containers that all its calls share as defaults of its parameters."""
    code = function.__code__
    positional = code.co_varnames[: code.co_argcount]
    values = function.__defaults__ or ()
    named = dict(zip(positional[len(positional) - len(values) :], values, strict=True))
    return {name: one for name, one in {**named, **(function.__kwdefaults__ or {})}.items() if holds_data(one)}


def _first_parameter(node: FunctionNode, receiver: object) -> dict[str, Any]:
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    parameters = [*node.args.posonlyargs, *node.args.args]
    if receiver is None or not parameters or "staticmethod" in decorators:
        return {}
    is_of_class = "classmethod" in decorators or node.name == "__new__"
    return {parameters[0].arg: receiver} if is_a(receiver, type) == is_of_class else {}
