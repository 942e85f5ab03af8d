"""Of which class the value of an expression is, as far as annotations, assignments and the imported program say.

Without it the doctor would miss what blocks most: `db: Session` in an `async def`, which no linter sees.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from outlast.doctor.scopes import Scope
from outlast.source.meanings import UNKNOWN
from outlast.source.syntax import FunctionNode

_STEPS = 4  # assignments followed from one name
_GIVES: Mapping[str, str] = {
    "builtins.open": "_io._IOBase",
    "boto3.client": "botocore.client.BaseClient",
    "boto3.resource": "boto3.resources.base.ServiceResource",
    "concurrent.futures.Executor.submit": "concurrent.futures._base.Future",
    "psycopg.connect": "psycopg.Connection",
    "psycopg2.connect": "psycopg2.extensions.connection",
    "psycopg2.extensions.connection.cursor": "psycopg2.extensions.cursor",
    "psycopg.Connection.cursor": "psycopg.Cursor",
    "pymysql.connect": "pymysql.connections.Connection",
    "requests.session": "requests.sessions.Session",
    "socket.create_connection": "_socket.socket",
    "sqlalchemy.create_engine": "sqlalchemy.engine.base.Engine",
    "sqlalchemy.engine.base.Engine.begin": "sqlalchemy.engine.base.Connection",
    "sqlalchemy.engine.base.Engine.connect": "sqlalchemy.engine.base.Connection",
    "sqlite3.Connection.cursor": "sqlite3.Cursor",
    "sqlite3.connect": "sqlite3.Connection",
    "sqlmodel.create_engine": "sqlalchemy.engine.base.Engine",
    "threading.Lock": "_thread.lock",
    "threading.RLock": "_thread.RLock",
}
"""What a call of these gives, where that is not an instance of what is called."""

# What people write, and the name that the class has itself.
_SAME: Mapping[str, str] = {
    "concurrent.futures.ProcessPoolExecutor": "concurrent.futures.Executor",
    "concurrent.futures.ThreadPoolExecutor": "concurrent.futures.Executor",
    "concurrent.futures.thread.ThreadPoolExecutor": "concurrent.futures.Executor",
    "concurrent.futures.process.ProcessPoolExecutor": "concurrent.futures.Executor",
    "concurrent.futures._base.Executor": "concurrent.futures.Executor",
    "fastapi.BackgroundTasks": "starlette.background.BackgroundTasks",
    "fastapi.Request": "starlette.requests.Request",
    "fastapi.UploadFile": "starlette.datastructures.UploadFile",
    "httpx.Client": "httpx._client.Client",
    "outlast.BackgroundTasks": "outlast.web.tasks.Tasks",
    "redis.Redis": "redis.client.Redis",
    "requests.Session": "requests.sessions.Session",
    "socket.socket": "_socket.socket",
    "sqlalchemy.orm.Session": "sqlalchemy.orm.session.Session",
    "sqlmodel.Session": "sqlalchemy.orm.session.Session",
}
_SESSION_FACTORIES = {
    "sqlalchemy.orm.session.sessionmaker": "sqlalchemy.orm.session.Session",
    "sqlalchemy.orm.scoping.scoped_session": "sqlalchemy.orm.session.Session",
    "sqlalchemy.ext.asyncio.session.async_sessionmaker": "sqlalchemy.ext.asyncio.session.AsyncSession",
}


@dataclass(frozen=True, slots=True)
class ValueKind:
    """A class: its full names with those of its bases, and itself where it is imported. No names: not known."""

    names: tuple[str, ...] = ()
    cls: type | None = None

    def first(self, table: Mapping[str, Any]) -> Any:
        """What a table says about the class or the nearest of its bases; None if nothing."""
        return next((table[name] for name in self.names if name in table), None)


NO_KIND = ValueKind()


def kind_of_class(cls: type) -> ValueKind:
    """The kind of the instances of a class."""
    names = (f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__ if base is not object)
    return ValueKind(_with_same(names), cls)


def kind_of_name(full_name: str) -> ValueKind:
    """The same for a class that is known by its name only."""
    return ValueKind(_with_same([full_name]))


def kind_of(node: ast.expr, scope: Scope, steps: int = _STEPS) -> ValueKind:
    """Of which class the value of an expression in a scope is."""
    if steps == 0 or isinstance(node, ast.Await):
        return NO_KIND
    if isinstance(node, ast.Call):
        return _kind_of_call(node, scope, steps)
    value = scope.value(node)
    if value is not UNKNOWN and value is not None:  # that a name is None at import says nothing of its first use
        return kind_of_class(type(value))
    if isinstance(node, ast.Name):
        return _kind_of_local(node.id, scope, steps)
    return _kind_of_own_attribute(node, scope, steps)


def kind_of_annotation(node: ast.expr | None, scope: Scope) -> ValueKind:
    """Of which class a parameter with this annotation is; what is or may be None counts as what it is otherwise."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return kind_of_annotation(_parsed(node.value), scope)
    if isinstance(node, ast.BinOp):
        return _only(kind_of_annotation(side, scope) for side in (node.left, node.right))
    if isinstance(node, ast.Subscript):
        return _kind_of_subscript(node, scope)
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return NO_KIND
    value = scope.value(node)
    full_name = scope.full_name(node)
    return kind_of_hint(value) if value is not UNKNOWN else kind_of_name(full_name) if full_name else NO_KIND


def kind_of_hint(hint: Any) -> ValueKind:
    """The same for an annotation as an object."""
    if get_origin(hint) is Annotated:
        return kind_of_hint(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return _only(kind_of_hint(one) for one in get_args(hint))
    return kind_of_class(hint) if isinstance(hint, type) and hint is not type(None) else NO_KIND


def assigned_to(name: str, scope: Scope) -> list[ast.expr]:
    """The expressions that a scope assigns to a local name, with what `with` statements enter."""
    return [value for target, value in scope.assignments if _is_name(target, name)]


def is_receiver(node: ast.expr, scope: Scope) -> bool:
    """Whether it is the `self` or `cls` of the method."""
    return bool(scope.receiver) and _is_name(node, scope.receiver)


def parameter(name: str, scope: Scope) -> ast.arg | None:
    """The parameter of that name."""
    if scope.node is None:
        return None
    given = scope.node.args
    return next((one for one in (*given.posonlyargs, *given.args, *given.kwonlyargs) if one.arg == name), None)


def _kind_of_call(node: ast.Call, scope: Scope, steps: int) -> ValueKind:
    value, full_name = scope.value(node.func), scope.full_name(node.func)
    given = _GIVES.get(full_name) or _given_by_method(node.func, scope, steps)
    if given:
        return kind_of_name(given)
    if isinstance(value, type):
        return kind_of_class(value)
    if value is not UNKNOWN:
        factory = kind_of_class(type(value)).first(_SESSION_FACTORIES)
        return kind_of_name(factory) if factory else NO_KIND
    return kind_of_name(full_name) if full_name else NO_KIND


def _given_by_method(node: ast.expr, scope: Scope, steps: int) -> str:
    if not isinstance(node, ast.Attribute):
        return ""
    names = (f"{name}.{node.attr}" for name in kind_of(node.value, scope, steps - 1).names)
    return next((_GIVES[name] for name in names if name in _GIVES), "")


def _kind_of_local(name: str, scope: Scope, steps: int) -> ValueKind:
    owner = scope.owner_of(name)
    if owner is None:
        return NO_KIND
    given = parameter(name, owner)
    if given is not None and given.annotation is not None:
        return kind_of_annotation(given.annotation, owner.outer or owner)
    return _only(kind_of(one, owner, steps - 1) for one in assigned_to(name, owner))


def _kind_of_own_attribute(node: ast.expr, scope: Scope, steps: int) -> ValueKind:
    """Of `self.client`, from what the methods of the class assign to it."""
    if not isinstance(node, ast.Attribute) or not is_receiver(node.value, scope):
        return NO_KIND
    members = scope.cls.body if scope.cls else []
    methods = (replace(scope, node=one) for one in members if isinstance(one, FunctionNode))
    values = ((value, method) for method in methods for value in _assigned_to_own(node.attr, method))
    return _only(kind_of(value, method, steps - 1) for value, method in values)


def _assigned_to_own(attribute: str, scope: Scope) -> Iterator[ast.expr]:
    for target, value in scope.assignments:
        if isinstance(target, ast.Attribute) and target.attr == attribute and _is_name(target.value, scope.receiver):
            yield value


def _kind_of_subscript(node: ast.Subscript, scope: Scope) -> ValueKind:
    name = ast.unparse(node.value).rpartition(".")[2]
    members = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name == "Annotated":
        return kind_of_annotation(members[0], scope)
    if name in ("Optional", "Union"):
        return _only(kind_of_annotation(one, scope) for one in members)
    return NO_KIND


def _only(kinds: Iterable[ValueKind]) -> ValueKind:
    """The one that is known, if there is one and no other."""
    known = {kind.names: kind for kind in kinds if kind.names}
    return next(iter(known.values())) if len(known) == 1 else NO_KIND


def _with_same(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for name in names for one in (name, _SAME.get(name, name))))


def _parsed(annotation: str) -> ast.expr | None:
    try:
        return ast.parse(annotation, mode="eval").body
    except SyntaxError:
        return None


def _is_name(node: ast.expr | None, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
