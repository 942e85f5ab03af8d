"""Whether a task changes an object that it is passed, and that the web process keeps: which gets a copy elsewhere."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from outlast.source.belongings import holds_data
from outlast.source.meanings import innermost
from outlast.source.sources import Sources
from outlast.source.syntax import CHANGING, FunctionNode, bound, called_name, leading_name
from outlast.source.tracing import Traced, Tracer
from outlast.text import is_a

_ADD = frozenset({"add_task", "enqueue", "enqueue_sync", "BackgroundTask"})


@dataclass(frozen=True, slots=True)
class Kept:
    """A parameter that a function changes, on `line` of `file`, and where its caller keeps what it passes for it."""

    parameter: str
    file: str
    line: int
    container: str
    caller: str
    caller_file: str
    caller_line: int


class Arguments:
    """Asks who adds a function as a task, by its name in the sources of the project."""

    def __init__(self, sources: Sources, tracer: Tracer) -> None:
        self._sources = sources
        self._tracer = tracer

    def changed_and_kept(self, function: Callable[..., Any]) -> Kept | None:
        """The first parameter of which both holds."""
        plain, _ = innermost(function, None)
        located = self._sources.function(plain)
        if located is None or not is_a(plain, FunctionType):
            return None
        source, node = located
        names = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        changed = _changed(node, names)
        first = 1 if is_a(function, MethodType) else 0
        callers = self._callers(node.name) if changed else ()
        for caller, call in ((one, call) for one in callers for call in one.adding(plain)):
            for name, line in changed.items():
                found = caller.kept(_passed(call, names[first:], name))
                if found is not None:
                    return Kept(name, source.file, line, found[0], caller.name, caller.file, found[1])
        return None

    def _callers(self, name: str) -> Iterator[_Caller]:
        for module in self._sources.own_modules():
            source = self._sources.module(module)
            users = source.users_of(name) if source and any(one in source.text for one in _ADD) else ()
            nodes = {id(one.function): one.function for one in users if one.function is not None}
            for node in nodes.values() if source else ():
                yield _Caller(source.file, self._tracer.names(node, vars(module)))  # type: ignore[union-attr]


class _Caller:
    def __init__(self, file: str, names: Traced) -> None:
        self.name = names.node.name
        self.file = file
        self._names = names
        self._calls = [one for one in names.nodes if isinstance(one, ast.Call)]

    def adding(self, function: FunctionType) -> Iterator[ast.Call]:
        """The calls that add a function as a task."""
        for call in self._calls:
            if called_name(call) in _ADD and call.args:
                meaning = self._names.meaning(call.args[0])
                if meaning is not None and innermost(meaning.value, None)[0] is function:
                    yield call

    def kept(self, passed: ast.expr | None) -> tuple[str, int] | None:
        """What keeps that which is passed, a container that modules share, and the line that says so."""
        if passed is None:
            return None
        meaning = self._names.meaning(passed)
        if meaning is not None and holds_data(meaning.value):
            return meaning.text.removesuffix(".setdefault").removesuffix(".get"), passed.lineno
        if not isinstance(passed, ast.Name):
            return None
        for container, line in self._put_into(passed.id):
            meaning = self._names.meaning(container)
            if meaning is not None and holds_data(meaning.value):
                return meaning.text, line
        return None

    def _put_into(self, name: str) -> Iterator[tuple[ast.expr, int]]:
        """Where a local name is put: `jobs[job.id] = job`, `jobs.append(job)`."""
        for node in self._names.nodes:
            if isinstance(node, ast.Assign) and _is_name(node.value, name):
                yield from ((one.value, node.lineno) for one in node.targets if isinstance(one, ast.Subscript))
        for call in self._calls:
            is_put = isinstance(call.func, ast.Attribute) and call.func.attr in CHANGING
            if is_put and any(_is_name(one, name) for one in call.args):
                yield call.func.value, call.lineno  # type: ignore[attr-defined]


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _changed(node: FunctionNode, names: list[str]) -> dict[str, int]:
    """The parameters of which it changes something, an attribute or an item, each with the first line that does."""
    nodes = [inner for statement in node.body for inner in ast.walk(statement)]
    own = set(bound(nodes))  # what is bound anew is another object
    found: dict[str, int] = {}
    for one in nodes:
        is_store = isinstance(one, (ast.Attribute, ast.Subscript)) and not isinstance(one.ctx, ast.Load)
        is_call = isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr in CHANGING
        if is_store or is_call:
            name = leading_name(one)  # type: ignore[arg-type]
            if name in names and name not in own:
                found.setdefault(name, one.lineno)  # type: ignore[attr-defined]
    return found


def _passed(call: ast.Call, names: list[str], name: str) -> ast.expr | None:
    """What a call that adds a task passes for a parameter."""
    given = dict(zip(names, call.args[1:], strict=False))
    return given.get(name) or next((one.value for one in call.keywords if one.arg == name), None)
