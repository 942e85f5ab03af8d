"""Start-up code that hurts when several processes run it, by its source: the app's lifespan, its modules' imports.

A help, not a proof. What is under `if not outlast.in_task_process():` is left out, and so is what runs under
`if __name__ == "__main__":`. Calls inside the project are followed.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import FunctionType, ModuleType
from typing import Any

from outlast.source.effects import LASTING, Effect, Singular, effect_of, may_last, short, started_by
from outlast.source.meanings import Names, innermost
from outlast.source.sources import NOT_PYTHON, Source, Sources
from outlast.source.syntax import NOBODY, FunctionNode, assignments, called_name
from outlast.source.tracing import Traced, Tracer
from outlast.text import is_a

FOLLOWED = 100  # functions that are looked into for one app
DEEPEST = 6  # wrappers around the function that is somebody's lifespan
_COMPLETED = ("create_task", "ensure_future", "gather", "run_in_executor")
"""What nothing is left of where it is awaited at once."""

_JOINED = ("submit", "create_task", "start_soon")
_POOLS = re.compile(r"Executor\(|TaskGroup\(|create_task_group\(")
"""What ends with all that was given to it by one of these."""

_MADE = (FunctionNode, ast.Lambda, ast.ClassDef)
_YIELDS = (ast.Yield, ast.YieldFrom)
_ASKS_FIRST = re.compile(r"\b(?:exists|is_file|isfile)\(|\bFileNotFoundError\b")
"""What stands where a file is written only if it is not there yet, which the next process leaves as it is."""


def singular_in(functions: list[Callable[..., Any]], sources: Sources) -> list[Singular]:
    """What these functions do, and those of the project that they call."""
    waiting: deque[tuple[object, object]] = deque((one, None) for one in functions)
    tracer = Tracer(sources)
    seen: set[int] = set()
    found: dict[Singular, None] = {}
    while waiting and len(seen) < FOLLOWED:
        function, receiver = innermost(*waiting.popleft())
        located = sources.function(function)
        if located is None or not is_a(function, FunctionType) or id(function) in seen:
            continue
        seen.add(id(function))
        source, node = located
        names = tracer.names_of(function, node, receiver)
        found.update(dict.fromkeys([*_singular(node.body, names, source), *_rows_changed(node, source)]))
        waiting.extend(_followed(_calls(node.body), names))
    return list(found)


def singular_at_import(module: ModuleType, sources: Sources) -> list[Singular]:
    """What the import of a module of the project does itself."""
    source = sources.module(module)
    if source is None:
        return []
    names = Tracer(sources).names(NOBODY, vars(module))
    with suppress(*NOT_PYTHON):
        found = (one for statement in source.tree.body for one in _singular([statement], names, source))
        return list(dict.fromkeys(found))
    return []


def lasting_at_import(sources: Sources) -> list[Singular]:
    """What the imports of the project's modules do that nobody sees afterwards."""
    found: list[Singular] = []
    for module in sources.own_modules():
        source = sources.module(module)
        if source is not None and may_last(source.text):
            found.extend(one for one in singular_at_import(module, sources) if one.effect in LASTING)
    return found


def startup_functions(app: object, sources: Sources) -> list[Callable[..., Any]]:
    """The functions of the project that the lifespan of an app consists of, `on_event` handlers included."""
    router = getattr(app, "router", None)
    waiting: deque[tuple[object, int]] = deque([(getattr(router, "lifespan_context", None), 0)])
    waiting.extend((one, 0) for one in getattr(router, "on_startup", ()) or ())
    found: list[Callable[..., Any]] = []
    while waiting:
        one, depth = waiting.popleft()
        if sources.function(one) is not None:
            found.append(one)  # type: ignore[arg-type]
        elif depth < DEEPEST:
            waiting.extend((inner, depth + 1) for inner in _inside(one))
    return list(dict.fromkeys(found))


def _inside(function: object) -> Iterator[object]:
    """What a wrapper wraps, and what a class does when an object of it is made and entered."""
    if isinstance(function, type):
        yield from (vars(function)[name] for name in ("__init__", "__aenter__") if name in vars(function))
        return
    wrapped = inspect.getattr_static(function, "__wrapped__", None)
    if wrapped is not None:
        yield wrapped
        return
    for name in ("__func__", "func"):
        yield from filter(None, [getattr(function, name, None)])
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):  # it is empty yet
            if callable(cell.cell_contents):
                yield cell.cell_contents


def _followed(calls: Iterator[ast.Call], names: Names) -> Iterator[tuple[object, object]]:
    for call in calls:
        meaning = names.meaning(call.func)
        if meaning is not None and meaning.exact and callable(meaning.value):
            yield meaning.value, meaning.owner


def _calls(statements: list[ast.stmt]) -> Iterator[ast.Call]:
    """The calls that run in a web worker and in a task process alike, without those in functions made on the way."""
    waiting: deque[ast.AST] = deque(statements)
    while waiting:
        node = waiting.popleft()
        if isinstance(node, _MADE):
            continue
        if isinstance(node, ast.If) and _is_guard(node.test):
            waiting.extend(node.orelse if _is_negated(node.test) else ())
            continue
        if isinstance(node, (ast.With, ast.AsyncWith)) and (groups := _groups_joined(node)):
            yield from (one for one in _calls(node.body) if not _is_given_to(groups, one))
            waiting.extend(node.items)
            continue
        if isinstance(node, ast.Await) and isinstance(node.value, ast.Call) and called_name(node.value) in _COMPLETED:
            node = node.value
        elif isinstance(node, ast.Call):
            yield node
        waiting.extend(ast.iter_child_nodes(node))


def _groups_joined(node: ast.With | ast.AsyncWith) -> set[str]:
    """The names of pools and groups that it makes, and ends with all that they have, before the lifespan goes on."""
    if any(isinstance(one, _YIELDS) for one in _here(node.body)):
        return set()
    made = (one.optional_vars for one in node.items if _POOLS.search(ast.unparse(one.context_expr)))
    return {ast.unparse(name) for name in made if name is not None}


def _is_given_to(groups: set[str], call: ast.Call) -> bool:
    is_method = isinstance(call.func, ast.Attribute) and call.func.attr in _JOINED
    return is_method and ast.unparse(call.func).rpartition(".")[0] in groups


def _here(statements: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All that is in them but for what is in functions and classes made on the way, which run at another time."""
    for one in statements:
        yield one
        if not isinstance(one, _MADE):
            yield from _here(ast.iter_child_nodes(one))


def _come_to_their_end(statements: list[ast.stmt]) -> set[int]:
    """The identities of calls that start what is awaited, by its name, before the lifespan goes on."""
    nodes = list(_here(statements))
    goes_on = min((node.lineno for node in nodes if isinstance(node, _YIELDS)), default=sys.maxsize)
    nodes = [node for node in nodes if getattr(node, "lineno", 0) < goes_on]
    awaited = {
        name.id
        for node in nodes
        if isinstance(node, ast.Await) and _is_awaited_whole(node.value)
        for name in ast.walk(node)
        if isinstance(name, ast.Name)
    }
    pairs = ((target, value) for target, value in assignments(nodes) if isinstance(target, ast.Name))
    values = [value for target, value in pairs if target.id in awaited]
    return {id(call) for value in values for call in ast.walk(value) if isinstance(call, ast.Call)}


def _is_awaited_whole(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Call) and called_name(node) == "gather")


def _is_guard(test: ast.expr) -> bool:
    text = ast.unparse(test)
    return "in_task_process" in text or text.startswith("__name__ ==")


def _is_negated(test: ast.expr) -> bool:
    """Whether what stands under `else` runs in task processes only, or is no guard's business."""
    return "__name__" in ast.unparse(test)


def _singular(statements: list[ast.stmt], names: Traced, source: Source) -> Iterator[Singular]:
    """One for each effect of a line."""
    asks_first = any(_ASKS_FIRST.search(ast.unparse(one)) for one in statements)
    seen = {(Effect.OVERWRITES, call.lineno) for call in _calls(statements) if asks_first}
    ended = _come_to_their_end(statements)
    for call in _calls(statements):
        effect = effect_of(call, names)
        if effect is Effect.STARTS and id(call) in ended:
            continue
        if effect is not None and (effect, call.lineno) not in seen:
            seen.add((effect, call.lineno))
            shown = ast.unparse(started_by(call) if effect is Effect.STARTS else call)
            yield Singular(effect, short(shown), source.file, call.lineno)


def _rows_changed(node: FunctionNode, source: Source) -> Iterator[Singular]:
    """A loop that changes what it goes through, in a function that commits."""
    if "commit()" not in ast.unparse(node):
        return
    loops = (one for one in ast.walk(node) if isinstance(one, (ast.For, ast.AsyncFor)))
    inside = ((loop.target.id, one) for loop in loops if isinstance(loop.target, ast.Name) for one in ast.walk(loop))
    for name, inner in inside:
        if not isinstance(inner, ast.Assign):
            continue
        target = inner.targets[0]
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == name:
            yield Singular(Effect.CHANGES, short(ast.unparse(inner)), source.file, inner.lineno)
