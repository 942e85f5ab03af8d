"""Arguments of a task that cannot travel, from what is passed where it is added and from the function's annotations."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from outlast import kinds
from outlast.doctor.findings import Code, Finding, finding, refusal
from outlast.doctor.inference import Kind, kind_of, kind_of_hint
from outlast.doctor.scopes import UNKNOWN, Scope
from outlast.doctor.sites import Site
from outlast.doctor.targets import bound_value
from outlast.encoding import Codec
from outlast.errors import NotStorable
from outlast.functions import is_async


def refused_argument(site: Site, codec: Codec) -> Finding | None:
    """The first reason why the arguments of a call cannot be stored."""
    positional, keywords = site.arguments
    if not isinstance(site.node, ast.Call):
        return None
    hidden = any(isinstance(one, ast.Starred) for one in positional) or any(one.arg is None for one in keywords)
    try:
        given = _bound(codec.signature, positional, keywords, hidden=hidden)
    except TypeError as error:
        if hidden:
            return None
        sentence = f"{str(codec.refusals.unbindable(codec.signature, error)).partition(';')[0]}, and fails when it runs"
        return finding(Code.WRONG_ARGUMENTS, site.place, sentence, f"call it as its signature says: {codec.signature}")
    for name, node in given:
        refused = _refused(codec, name, node, site.scope)
        if refused is not None:
            return refusal(Code.CANNOT_TRAVEL, site.place, str(refused))
    return None


def _refused(codec: Codec, name: str, node: ast.expr, scope: Scope) -> NotStorable | None:
    """What run time says of one argument, as far as it is known what that is."""
    value = bound_value(node, scope)
    if value is not UNKNOWN and codec.passed.is_function(name, value):
        return codec.refused_function(name, value)
    kind = kind_passed(node, scope) or _kind_wanted(node, codec.hints[name], scope)
    return codec.refusals.of_kind(name, (), kind) if kind is not None else None


def kind_passed(node: ast.expr, scope: Scope) -> kinds.Kind | None:
    """The kind of things that cannot travel which the value of an expression belongs to, or something inside it."""
    inside = node.values if isinstance(node, ast.Dict) else getattr(node, "elts", ())
    found = (kind_passed(one, scope) for one in inside)
    return next(filter(None, found), None) or _kind_of_expression(node, scope)


def _kind_of_expression(node: ast.expr, scope: Scope) -> kinds.Kind | None:
    if isinstance(node, ast.Lambda) or (isinstance(node, ast.Name) and _is_local_function(node.id, scope)):
        return kinds.CALLABLE
    if isinstance(node, ast.GeneratorExp):
        return kinds.GENERATOR
    if isinstance(node, ast.Call) and is_async(scope.value(node.func)):
        return kinds.AWAITABLE
    value = scope.value(node)
    if value is not UNKNOWN and value is not None:
        return kinds.kind_of(value)
    if isinstance(node, ast.Attribute) and _is_method(node, scope):
        return kinds.CALLABLE
    return _that_stays(kind_of(node, scope))


def _kind_wanted(node: ast.expr, hint: Any, scope: Scope) -> kinds.Kind | None:
    """The kind that the function's annotation asks for, where nothing says that another one is passed."""
    is_literal = isinstance(node, (ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict))
    if is_literal or kind_of(node, scope).names:
        return None
    return kind_wanted(hint)


def kind_wanted(hint: Any) -> kinds.Kind | None:
    """The kind of things that cannot travel which an annotation asks for."""
    return _that_stays(kind_of_hint(hint)) or kinds.row_wanted(hint)


def _that_stays(kind: Kind) -> kinds.Kind | None:
    return kinds.kind_of_class(kind.cls) if kind.cls else kinds.kind_named(kind.names)


def _bound(
    signature: inspect.Signature, positional: list[ast.expr], keywords: list[ast.keyword], *, hidden: bool
) -> Iterator[tuple[str, ast.expr]]:
    """Parameter and expression for each argument that shows. Raises TypeError for a call that does not fit."""
    shown = positional[: next((at for at, one in enumerate(positional) if isinstance(one, ast.Starred)), None)]
    bind = signature.bind_partial if hidden else signature.bind
    bound = bind(*shown, **{one.arg: one.value for one in keywords if one.arg})
    return _flat(bound.arguments)


def _flat(arguments: dict[str, Any]) -> Iterator[tuple[str, ast.expr]]:
    for name, value in arguments.items():
        inside = value if isinstance(value, tuple) else value.values() if isinstance(value, dict) else (value,)
        yield from ((name, one) for one in inside)


def _is_local_function(name: str, scope: Scope) -> bool:
    owner = scope.owner_of(name)
    return owner is not None and name in owner.local_functions


def _is_method(node: ast.Attribute, scope: Scope) -> bool:
    cls = kind_of(node.value, scope).cls
    return cls is not None and isinstance(inspect.getattr_static(cls, node.attr, None), FunctionType)
