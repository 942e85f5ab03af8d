"""The places where the project asks for a task."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.background import BackgroundTask

from outlast.doctor.blocking import is_outlast_task
from outlast.doctor.inference import kind_of
from outlast.doctor.scopes import Scope

_STOCK = "starlette.background.BackgroundTasks"
_OURS = "outlast.web.tasks.Tasks"
_ENQUEUE = ("enqueue", "enqueue_sync")


@dataclass(frozen=True, slots=True)
class AddSite:
    """A call that asks for a task, or the definition of a function that is decorated as one.

    explicit: the call raises NotStorable for what cannot travel, instead of running it inline.
    sure: it is one, whatever the function turns out to be.
    """

    scope: Scope
    node: ast.Call | ast.FunctionDef | ast.AsyncFunctionDef
    way: str
    function: ast.expr | None = None
    explicit: bool = False
    sure: bool = True
    options: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[str, int]:
        """Its file and line."""
        return self.scope.place(self.node)

    @property
    def arguments(self) -> tuple[list[ast.expr], list[ast.keyword]]:
        """What is passed to the function."""
        if not isinstance(self.node, ast.Call):
            return [], []
        keywords = [one for one in self.node.keywords if one.value is not self.function]
        return [one for one in self.node.args if one is not self.function], keywords


def sites_in(scope: Scope) -> Iterator[AddSite]:
    """The tasks that a scope asks for, in order."""
    if scope.node is not None and any(is_outlast_task(one, scope) for one in scope.node.decorator_list):
        yield AddSite(scope, scope.node, "@outlast.task")
    calls = [node for node in scope.nodes if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda one: (one.lineno, one.col_offset)):
        site = _added(call, scope) or _enqueued(call, scope) or _made(call, scope)
        if site is not None:
            yield site


def _added(call: ast.Call, scope: Scope) -> AddSite | None:
    """`tasks.add_task(function, ...)`, with or without options."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "add_task":
        return None
    tasks, options = _without_options(call.func.value)
    function = _first(call, "func")
    names = kind_of(tasks, scope).names
    if _OURS in names:
        return AddSite(scope, call, "add_task", function, explicit=True, options=options)
    if names and _STOCK not in names:
        return None
    sure = bool(names) or "task" in ast.unparse(tasks).lower()
    return AddSite(scope, call, "add_task", function, sure=sure, options=options)


def _enqueued(call: ast.Call, scope: Scope) -> AddSite | None:
    """`outlast.enqueue(function, ...)`, `enqueue_sync`, and the same of what `install` gives."""
    full_name = scope.full_name(call.func)
    way = full_name.rpartition(".")[2] if full_name.startswith("outlast.") else ""
    if not way and isinstance(call.func, ast.Attribute) and call.func.attr in _ENQUEUE:
        way = call.func.attr if "outlast.app.Outlast" in kind_of(call.func.value, scope).names else ""
    return AddSite(scope, call, way, _first(call, "function"), explicit=True) if way in _ENQUEUE else None


def _made(call: ast.Call, scope: Scope) -> AddSite | None:
    """`BackgroundTask(function, ...)`, for the `background` of a response."""
    cls = scope.value(call.func)
    if not isinstance(cls, type) or not issubclass(cls, BackgroundTask):
        return None
    is_plain = cls.__init__ is BackgroundTask.__init__ and cls.__call__ is BackgroundTask.__call__
    return AddSite(scope, call, "BackgroundTask", _first(call, "func")) if is_plain else None


def _without_options(tasks: ast.expr) -> tuple[ast.expr, tuple[str, ...]]:
    if isinstance(tasks, ast.Call) and isinstance(tasks.func, ast.Attribute) and tasks.func.attr == "options":
        return tasks.func.value, tuple(one.arg for one in tasks.keywords if one.arg)
    return tasks, ()


def _first(call: ast.Call, name: str) -> ast.expr | None:
    """The function that a call passes; None where it is hidden in a `*` or `**`."""
    if call.args:
        return None if isinstance(call.args[0], ast.Starred) else call.args[0]
    return next((one.value for one in call.keywords if one.arg == name), None)
