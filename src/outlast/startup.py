"""Start-up code that hurts when several processes run it, by its source: the app's lifespan, its modules' imports.

A help, not a proof. What is under `if not outlast.in_task_process():` is left out, and so is what runs under
`if __name__ == "__main__":`. Calls inside the project are followed.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from types import FunctionType, MethodType, ModuleType
from typing import Any

from outlast.belongings import class_of
from outlast.meanings import Names
from outlast.packages import acts_once
from outlast.sources import NOT_PYTHON, Source, Sources
from outlast.syntax import FunctionNode
from outlast.text import is_a
from outlast.tracing import Tracer

LONGEST_CALL = 80  # characters
FOLLOWED = 100  # functions that are looked into for one app
DEEPEST = 6  # wrappers around the function that is somebody's lifespan


class Effect(Enum):
    """What a line of start-up code does."""

    STARTS = "starts"
    BINDS = "binds a port"
    REMOVES = "removes files"
    CHANGES = "changes or deletes rows"


LASTING = (Effect.REMOVES, Effect.CHANGES)
"""What nobody sees afterwards who looks at the process."""

_BY_METHOD: Mapping[str, Effect] = {
    **dict.fromkeys(("create_task", "ensure_future", "start_soon", "run_coroutine_threadsafe"), Effect.STARTS),
    **dict.fromkeys(("Popen", "create_subprocess_exec", "create_subprocess_shell", "add_task_to_group"), Effect.STARTS),
    **dict.fromkeys(("bind", "create_server", "start_server", "start_unix_server", "start_http_server"), Effect.BINDS),
    **dict.fromkeys(("add_insecure_port", "add_secure_port"), Effect.BINDS),
    **dict.fromkeys(("rmtree", "unlink", "rmdir", "removedirs"), Effect.REMOVES),
    **dict.fromkeys(("update_many", "update_one", "delete_many", "delete_one", "drop_all", "flushdb"), Effect.CHANGES),
    **dict.fromkeys(("flushall", "bulk_update", "upgrade_head"), Effect.CHANGES),
}
_BY_NAME: Mapping[str, Effect] = {"os.remove": Effect.REMOVES, "command.upgrade": Effect.CHANGES}
_QUERIED = re.compile(r"\b(?:query|filter|filter_by|where|objects|all)\(")
_STATEMENT = re.compile(r"\s*(?:update\s+\S+\s+set|delete\s+from|truncate)\b", re.IGNORECASE)
_LIVELY = re.compile(r"scheduler|thread|process|consumer|poller|listener|observer|ticker|worker|bot|timer|beat", re.I)
_NOBODY = ast.FunctionDef(
    name="", args=ast.arguments([], [], None, [], [], None, []), body=[], decorator_list=[], returns=None
)


@dataclass(frozen=True, slots=True)
class Singular:
    """A line of start-up code that is meant for one process. `call`: the piece of source that does it."""

    effect: Effect
    call: str
    file: str
    line: int

    def __str__(self) -> str:
        return (
            f"{self.effect.value} {self.call}" if self.effect is Effect.STARTS else f"{self.effect.value} ({self.call})"
        )


def singular_in(functions: list[Callable[..., Any]], sources: Sources) -> list[Singular]:
    """What these functions do, and those of the project that they call."""
    waiting: deque[tuple[object, object]] = deque((one, None) for one in functions)
    tracer = Tracer(sources)
    seen: set[int] = set()
    found: dict[Singular, None] = {}
    while waiting and len(seen) < FOLLOWED:
        function, receiver = _plain(*waiting.popleft())
        located = sources.function(function)
        if located is None or not is_a(function, FunctionType) or id(function) in seen:
            continue
        seen.add(id(function))
        source, node = located
        names = tracer.names_of(function, node, receiver)
        calls = list(_calls(node.body))
        found.update(dict.fromkeys([*_singular(calls, names, source), *_rows_changed(node, source)]))
        waiting.extend(_followed(calls, names))
    return list(found)


def singular_at_import(module: ModuleType, sources: Sources) -> list[Singular]:
    """What the import of a module of the project does itself."""
    source = sources.module(module)
    try:
        statements = source.tree.body if source else []
    except NOT_PYTHON:
        statements = []
    if source is None:
        return []
    names = Tracer(sources).names(_NOBODY, vars(module))
    return list(dict.fromkeys(_singular(list(_calls(statements)), names, source)))


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
    """What a wrapper wraps."""
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


def _plain(function: Any, receiver: object) -> tuple[object, object]:
    """The function with code, and the object whose method it is."""
    for _ in range(DEEPEST):
        if is_a(function, MethodType):
            function, receiver = function.__func__, function.__self__
        wrapped = inspect.getattr_static(function, "__wrapped__", None)
        if wrapped is None:
            break
        function = wrapped
    return function, receiver


def _followed(calls: list[ast.Call], names: Names) -> Iterator[tuple[object, object]]:
    for call in calls:
        meaning = names.meaning(call.func)
        if meaning is not None and meaning.exact and callable(meaning.value):
            yield meaning.value, None if is_a(meaning.owner, ModuleType) else meaning.owner


def _calls(statements: list[ast.stmt]) -> Iterator[ast.Call]:
    """The calls that run in a web worker and in a task process alike, without those in functions made on the way."""
    waiting: deque[ast.AST] = deque(statements)
    while waiting:
        node = waiting.popleft()
        if isinstance(node, (FunctionNode, ast.Lambda, ast.ClassDef)):
            continue
        if isinstance(node, ast.If) and _is_guard(node.test):
            waiting.extend(node.orelse if _is_negated(node.test) else ())
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting.extend(ast.iter_child_nodes(node))


def _is_guard(test: ast.expr) -> bool:
    text = ast.unparse(test)
    return "in_task_process" in text or text.startswith("__name__ ==")


def _is_negated(test: ast.expr) -> bool:
    """Whether what stands under `else` runs in task processes only, or is no guard's business."""
    return "__name__" in ast.unparse(test)


def _singular(calls: list[ast.Call], names: Names, source: Source) -> Iterator[Singular]:
    """One for each effect of a line."""
    seen: set[tuple[Effect, int]] = set()
    for call in calls:
        effect = _effect(call, names)
        if effect is not None and (effect, call.lineno) not in seen:
            seen.add((effect, call.lineno))
            shown = ast.unparse(call if effect is not Effect.STARTS or not call.args else call.args[0])
            yield Singular(effect, _short(shown), source.file, call.lineno)


def _rows_changed(node: FunctionNode, source: Source) -> Iterator[Singular]:
    """A loop that changes what it goes through, in a function that commits."""
    if "commit()" not in ast.unparse(node):
        return
    loops = (one for one in ast.walk(node) if isinstance(one, (ast.For, ast.AsyncFor)))
    inside = ((loop.target.id, one) for loop in loops if isinstance(loop.target, ast.Name) for one in ast.walk(loop))
    for name, inner in inside:
        if isinstance(inner, ast.Assign) and _is_attribute_of(name, inner.targets[0]):
            yield Singular(Effect.CHANGES, _short(ast.unparse(inner)), source.file, inner.lineno)


def _is_attribute_of(name: str, target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == name


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_CALL else f"{text[:LONGEST_CALL]}…"


def _effect(call: ast.Call, names: Names) -> Effect | None:
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    if last == "bind" and not (call.args and isinstance(call.args[0], ast.Tuple)):  # of a logger, of a container
        return None
    if last in _BY_METHOD:
        return _BY_METHOD[last]
    if name in _BY_NAME:
        return _BY_NAME[name]
    if last in ("start", "start_in_background", "run_forever", "start_polling") and _is_lively(call, names):
        return Effect.STARTS
    if last in ("update", "delete") and (_QUERIED.search(name) or _is_of_sqlalchemy(call, names)):
        return Effect.CHANGES
    texts = (one.value for one in ast.walk(call) if isinstance(one, ast.Constant) and isinstance(one.value, str))
    return Effect.CHANGES if any(map(_STATEMENT.match, texts)) else None


def _is_lively(call: ast.Call, names: Names) -> bool:
    """Whether what is started is a scheduler, a thread or the like."""
    if not isinstance(call.func, ast.Attribute):
        return False
    meaning = names.meaning(call.func.value)
    module = class_of(meaning.value).__module__ if meaning is not None and meaning.exact else ""
    return acts_once(module.partition(".")[0]) or bool(_LIVELY.search(ast.unparse(call.func.value)))


def _is_of_sqlalchemy(call: ast.Call, names: Names) -> bool:
    meaning = names.meaning(call.func)
    module = getattr(meaning.value, "__module__", "") if meaning is not None and meaning.exact else ""
    return str(module).partition(".")[0] in ("sqlalchemy", "sqlmodel")
