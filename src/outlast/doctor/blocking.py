"""`async def` functions that make blocking calls, themselves or through a function of the project.

Beside that, what the rules of Ruff see, where it is installed. Ours know more; its see files.
"""

from __future__ import annotations

import ast
import json
import linecache
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FunctionType
from typing import Any

from outlast.doctor.blockers import FUNCTIONS, LOCAL_ONLY, LOCK, LOCKS, METHODS, OTHER, Blocker
from outlast.doctor.findings import Code, Finding, finding, note
from outlast.doctor.inference import is_receiver, kind_of
from outlast.doctor.project import Project, shown_file, statements_outside_of_functions
from outlast.doctor.scopes import Scope
from outlast.functions.functions import is_async
from outlast.source.syntax import FunctionNode, called_name

_SETUP = frozenset({"asynccontextmanager", "on_event"})
_HARMLESS_DECORATORS = frozenset({"classmethod", "staticmethod"})
_RULES = "ASYNC2"  # of Ruff about blocking calls; ASYNC1 is about cancelling
_LINTING = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class BlockingCall:
    """A place in the source that blocks the thread that it runs on."""

    scope: Scope
    node: ast.AST
    blocker: Blocker

    @property
    def place(self) -> tuple[str, int]:
        """Its file and line."""
        return self.scope.place(self.node)


class Blocking:
    """Looks for blocking calls in the scopes of a project."""

    def __init__(self, project: Project, scopes: Sequence[Scope]) -> None:
        self._project = project
        self._scopes = scopes
        self._by_node: Mapping[int, Scope] = {id(scope.node): scope for scope in scopes if scope.node}

    def findings(self) -> list[Finding]:
        """One for each blocking call in an `async def`."""
        calls = (
            call for scope in self._scopes if scope.is_async and not is_exempt(scope) for call in self.calls(scope)
        )
        return [_told(call) for call in calls if not _is_excused(call.place)]

    def calls(self, scope: Scope) -> Iterator[BlockingCall]:
        """The blocking calls of a function, with those one level below it."""
        yield from direct_calls(scope)
        for node in _calls_in(scope):
            helper = self._helper(node, scope)
            inside = next(direct_calls(helper), None) if helper else None
            if helper is not None and inside is not None:
                yield BlockingCall(scope, node, _through(helper, inside))

    def _helper(self, call: ast.Call, scope: Scope) -> Scope | None:
        """The plain function of the project that a call runs."""
        node = self._called(call.func, scope)
        helper = self._by_node.get(id(node))
        if helper is None or helper is scope or helper.is_async or _gives_an_iterator(helper):
            return None
        return helper

    def _called(self, function: ast.expr, scope: Scope) -> FunctionNode | None:
        if isinstance(function, ast.Attribute) and is_receiver(function.value, scope):
            return _undecorated(scope.method(function.attr))
        value = scope.value(function)
        if isinstance(value, FunctionType):
            found = scope.sources.function(value)
            return found[1] if found and not is_async(value) else None
        if isinstance(function, ast.Name) and function.id in scope.local_functions:
            return _undecorated(scope.local_functions[function.id])
        defined = self._project.definition(_defined_name(function, scope))
        return _undecorated(defined[1]) if defined else None


def direct_calls(scope: Scope) -> Iterator[BlockingCall]:
    """What a function calls itself that blocks."""
    for call in _calls_in(scope):
        blocker = _blocker(call, scope)
        if blocker is not None:
            yield BlockingCall(scope, call, blocker)
    for node in scope.nodes:
        if isinstance(node, ast.With) and _keeps_lock_while_it_waits(node, scope):
            yield BlockingCall(scope, node, Blocker("awaits while it has a lock of threads", LOCK))


def is_exempt(scope: Scope) -> bool:
    """Whether a function may block its loop: it runs when nothing is served, or has its process for itself."""
    decorators = scope.node.decorator_list if scope.node else []
    return any(called_name(one) == "on_event" or is_isolated(one, scope) for one in decorators)


def is_isolated(decorator: ast.expr, scope: Scope) -> bool:
    """Whether it is `@outlast.task` with an option that gives each task a process for itself."""
    if not isinstance(decorator, ast.Call) or not is_outlast_task(decorator, scope):
        return False
    given = {one.arg: one.value for one in decorator.keywords}
    isolate = given.get("isolate")
    return "memory" in given or (isinstance(isolate, ast.Constant) and bool(isolate.value))


def is_outlast_task(decorator: ast.expr, scope: Scope) -> bool:
    """Whether it is `@outlast.task(...)`."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (scope.outer or scope).full_name(function) in ("outlast.task", "outlast.functions.functions.task")


def _told(call: BlockingCall) -> Finding:
    name = f"async def {call.scope.name}()"
    sets_up = any(called_name(one) in _SETUP for one in call.scope.node.decorator_list) if call.scope.node else False
    if call.blocker.sure and not sets_up:
        sentence = f"{name} {call.blocker.what}, and all else on its event loop waits until that is over"
        return finding(Code.BLOCKING_CALL, call.place, sentence, call.blocker.remedy)
    sentence = f"{name} {call.blocker.what}, which holds up its event loop if it takes long"
    return note(Code.SLOW_CALL, call.place, sentence, call.blocker.remedy)


def _through(helper: Scope, inside: BlockingCall) -> Blocker:
    file, line = inside.place
    what = f"calls {helper.name}(), which {inside.blocker.what} ({shown_file(file)}:{line})"
    return replace(inside.blocker, what=what)


def _calls_in(scope: Scope) -> Iterator[ast.Call]:
    """Its calls, but for those in a lambda, which something else calls, and those that are awaited."""
    lambdas = [node for node in scope.nodes if isinstance(node, ast.Lambda)]
    elsewhere = {id(inner) for one in lambdas for inner in statements_outside_of_functions(one)}
    awaited = {id(node.value) for node in scope.nodes if isinstance(node, ast.Await)}
    for node in scope.nodes:
        if isinstance(node, ast.Call) and id(node) not in elsewhere and id(node) not in awaited:
            yield node


def _blocker(call: ast.Call, scope: Scope) -> Blocker | None:
    known = FUNCTIONS.get(scope.full_name(call.func)) or FUNCTIONS.get(_name_of(scope.value(call.func)))
    if known is not None or not isinstance(call.func, ast.Attribute):
        return known
    if _is_told_not_to_wait(call):
        return None
    kind = kind_of(call.func.value, scope)
    found: tuple[str, tuple[str, ...]] | None = kind.first(METHODS)
    if found is None:
        return None
    remedy, methods = found
    blocks = call.func.attr in methods if methods else call.func.attr not in LOCAL_ONLY
    return Blocker(f"calls {_class_name(kind.names[0])}.{call.func.attr}()", remedy) if blocks else None


def _is_told_not_to_wait(call: ast.Call) -> bool:
    given = [*call.args[:1], *(one.value for one in call.keywords if one.arg in ("block", "blocking", "timeout"))]
    return any(isinstance(one, ast.Constant) and (one.value is False or one.value == 0) for one in given)


def _keeps_lock_while_it_waits(node: ast.With, scope: Scope) -> bool:
    waits = any(isinstance(inner, ast.Await) for one in node.body for inner in ast.walk(one))
    return waits and any(set(kind_of(item.context_expr, scope).names) & set(LOCKS) for item in node.items)


def _gives_an_iterator(scope: Scope) -> bool:
    return any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in scope.nodes)


def _undecorated(node: FunctionNode | None) -> FunctionNode | None:
    """A function that is what its source says: a decorator may run it somewhere else."""
    decorators = node.decorator_list if node else []
    return node if all(called_name(one) in _HARMLESS_DECORATORS for one in decorators) else None


def _defined_name(function: ast.expr, scope: Scope) -> str:
    if isinstance(function, ast.Name) and function.id in scope.file.definitions:
        owner = scope.owner_of(function.id)
        return f"{scope.file.name}.{function.id}" if owner is not None and owner.outer is None else ""
    return scope.full_name(function)


def _is_excused(place: tuple[str, int]) -> bool:
    """Whether its line says so in the words of linters."""
    return "noqa: ASYNC" in linecache.getline(*place)


def _class_name(full_name: str) -> str:
    """As people write it: `Session`, `threading.Lock`."""
    return {"_thread.lock": "Lock", "_thread.RLock": "RLock"}.get(full_name, full_name.rpartition(".")[2])


def _name_of(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"


def linter_notes(scopes: Sequence[Scope], known: Sequence[Finding]) -> list[Finding]:
    """A note for each line that Ruff names and nothing in `known` does. None without Ruff, or when it fails."""
    ruff = _find_ruff()
    files = sorted({scope.file.source.file for scope in scopes})
    complaints = _complaints(ruff, files) if ruff and files else []
    told = {(one.file, one.line) for one in known} | _exempt_lines(scopes)
    return [_told_by_linter(one) for one in complaints if (one["filename"], one["location"]["row"]) not in told]


def _find_ruff() -> str | None:
    """The path of Ruff beside this Python, or on PATH."""
    return shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")


def _complaints(ruff: str, files: Sequence[str]) -> list[dict[str, Any]]:
    command = [ruff, "check", "--isolated", "--no-cache", "--exit-zero", "--select", _RULES, "--output-format", "json"]
    try:
        answer = subprocess.run([*command, *files], capture_output=True, check=True, timeout=_LINTING)
        complaints: list[dict[str, Any]] = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
    return [one for one in complaints if str(one.get("code")).startswith(_RULES)]


def _exempt_lines(scopes: Sequence[Scope]) -> set[tuple[str, int]]:
    return {
        (scope.file.source.file, line)
        for scope in scopes
        if scope.node is not None and is_exempt(scope)
        for line in range(scope.node.lineno, (scope.node.end_lineno or scope.node.lineno) + 1)
    }


def _told_by_linter(complaint: dict[str, Any]) -> Finding:
    place = (complaint["filename"], complaint["location"]["row"])
    return note(Code.SLOW_CALL, place, f"Ruff {complaint['code']}: {complaint['message']}", OTHER)
