"""Which function an expression passes to `add_task`, as far as the source and the imported program say."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType, MethodType, ModuleType
from typing import Any

from outlast.doctor.inference import assigned_to, is_receiver, kind_of, parameter
from outlast.doctor.project import Project, ProjectFile
from outlast.doctor.scopes import Scope
from outlast.functions.functions import is_async
from outlast.functions.names import IS_LAMBDA, IS_LOCAL, IS_PARTIAL, Held, is_bound_to, was_called
from outlast.source.meanings import UNKNOWN, object_named
from outlast.source.syntax import FunctionNode

_STEPS = 4  # names that stand for other names
_MOST = 20  # functions in one container


@dataclass(frozen=True, slots=True)
class Target:
    """What a task may call: an object of the imported program, the source of one that is not imported, or neither.

    name: what people call it. refused: why it has no name that other processes could find, with the remedy.
    """

    name: str
    function: Callable[..., Any] | None = None
    definition: tuple[ProjectFile, FunctionNode] | None = None
    refused: str = ""


class Targets:
    """Finds functions in the scopes of a project."""

    def __init__(self, project: Project, held: Held) -> None:
        self._project = project
        self._held = held

    def of(self, node: ast.expr, scope: Scope, steps: int = _STEPS) -> list[Target]:
        """The functions that an expression may give; none if that shows only when it runs."""
        if steps == 0:
            return []
        if isinstance(node, ast.Lambda):
            return [_refused(f"{_path(scope)}<lambda>", IS_LAMBDA)]
        if isinstance(node, ast.IfExp):
            return [*self.of(node.body, scope, steps), *self.of(node.orelse, scope, steps)]
        if isinstance(node, ast.Call):
            return _called(node, scope)
        if isinstance(node, ast.Subscript):
            return list(_in_container(node, scope))
        return self._named(node, scope, steps)

    def _named(self, node: ast.expr, scope: Scope, steps: int) -> list[Target]:
        if isinstance(node, ast.Attribute) and is_receiver(node.value, scope):
            return self._own_method(node.attr, scope)
        value = bound_value(node, scope)
        if value is not UNKNOWN:
            return [_of_object(value)] if callable(value) else []
        if isinstance(node, ast.Name):
            return self._local(node.id, scope, steps)
        if isinstance(node, ast.Attribute):
            return self._method_of(node, scope) or self._defined(scope.full_name(node))
        return []

    def _local(self, name: str, scope: Scope, steps: int) -> list[Target]:
        owner = scope.owner_of(name)
        if owner is None:
            return []
        if name in owner.local_functions:
            return [_refused(f"{_path(owner)}{name}", IS_LOCAL)]
        defined = self._defined(owner.full_name(ast.Name(name)) or f"{scope.file.name}.{name}" * (owner.outer is None))
        if defined or parameter(name, owner) is not None:
            return defined
        return [target for value in assigned_to(name, owner) for target in self.of(value, owner, steps - 1)]

    def _own_method(self, name: str, scope: Scope) -> list[Target]:
        """Of `self.send`, in a method; the class itself knows more than its source, where it is imported."""
        cls = scope.cls.name if scope.cls else ""
        is_top = scope.outer is not None and scope.outer.outer is None
        found = object_named(f"{scope.file.name}.{cls}") if is_top else UNKNOWN
        if isinstance(found, type):
            return self._of_held(found, name) or _member_of(found, name)
        if scope.method(name) is None:
            return []
        return [_refused(f"{scope.file.name}:{cls}.{name}", is_bound_to(cls))]

    def _method_of(self, node: ast.Attribute, scope: Scope) -> list[Target]:
        """Of `mailer.send`, where the class of `mailer` is known."""
        cls = kind_of(node.value, scope).cls
        if cls is None:
            return []
        held = [] if _is_made_here(node.value, scope) else self._of_held(cls, node.attr)
        return held or _member_of(cls, node.attr)

    def _of_held(self, cls: type, name: str) -> list[Target]:
        """The method of those objects of the class that modules hold: it may be that of one of these."""
        member = inspect.getattr_static(cls, name, UNKNOWN)
        if not isinstance(member, FunctionType):
            return []
        return [_of_object(MethodType(member, one)) for one in self._held.instances_of(cls)][:_MOST]

    def _defined(self, full_name: str) -> list[Target]:
        found = self._project.definition(full_name)
        return [Target(f"{found[0].name}:{found[1].name}", definition=found)] if found else []


def is_text(node: ast.expr) -> bool:
    """Whether it is text, which no function is: others than ours have an `add_task` too."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _in_container(node: ast.Subscript, scope: Scope) -> Iterator[Target]:
    """All that `ACTIONS[action]` may give."""
    container = scope.value(node.value)
    values = container.values() if isinstance(container, dict) else container
    if isinstance(container, (dict, list, tuple)):
        yield from [_of_object(value) for value in values if callable(value)][:_MOST]


def _called(node: ast.Call, scope: Scope) -> list[Target]:
    """Of `partial(send, 1)` and of `send(1)`, which gives a coroutine; what another call gives is not known."""
    if scope.full_name(node.func) == "functools.partial":
        return [_refused("functools:partial", IS_PARTIAL)]
    function = scope.value(node.func)
    if not is_async(function):
        return []
    return [_refused(_of_object(function).name, was_called(ast.unparse(node.func)))]


def _member_of(cls: type, name: str) -> list[Target]:
    """What an instance of `cls` that no module holds has under that name, if that is a function."""
    member = inspect.getattr_static(cls, name, UNKNOWN)
    if isinstance(member, staticmethod):
        return [_of_object(member.__func__)]
    if isinstance(member, classmethod):
        return [_of_object(MethodType(member.__func__, cls))]
    if not isinstance(member, FunctionType):
        return []
    return [_refused(f"{member.__module__}:{member.__qualname__}", is_bound_to(cls.__qualname__))]


def _is_made_here(node: ast.expr, scope: Scope) -> bool:
    """Whether it is an object that the scope makes, which no module holds."""
    owner = scope.owner_of(node.id) if isinstance(node, ast.Name) else None
    values = assigned_to(node.id, owner) if isinstance(node, ast.Name) and owner else [node]
    made = (isinstance(value, ast.Call) and isinstance(scope.value(value.func), type) for value in values)
    return bool(values) and all(made)


def bound_value(node: ast.expr, scope: Scope) -> Any:
    """The object that an expression gives, a method bound to its owner; UNKNOWN if that shows only when it runs."""
    meaning, value = scope.meaning(node), scope.value(node)
    owner = meaning.owner if meaning is not None and meaning.exact else None
    if owner is None or isinstance(owner, ModuleType) or not isinstance(node, ast.Attribute):
        return value
    raw = inspect.getattr_static(owner, node.attr, value)
    if isinstance(raw, classmethod):
        return MethodType(raw.__func__, owner if isinstance(owner, type) else type(owner))
    is_plain = isinstance(owner, type) or not isinstance(raw, FunctionType)
    return value if is_plain or node.attr in getattr(owner, "__dict__", ()) else MethodType(raw, owner)


def _of_object(function: Any) -> Target:
    named = function if hasattr(function, "__qualname__") else type(function)
    return Target(f"{named.__module__}:{named.__qualname__}", function=function)


def _refused(path: str, why: str) -> Target:
    return Target(path, refused=f"{path} {why}")


def _path(scope: Scope) -> str:
    """What the names of functions made in a scope begin with."""
    names = []
    current: Scope | None = scope
    while current is not None and current.node is not None:
        names.append(f"{current.cls.name}.{current.node.name}" if current.cls else current.node.name)
        current = current.outer
    return f"{scope.file.name}:" + "".join(f"{name}.<locals>." for name in reversed(names))
