"""What of a task cannot travel: of its arguments, as they are passed or annotated, and of the context that it reads."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from types import FunctionType, NoneType
from typing import Any, get_args

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

from outlast.doctor.findings import Code, Finding, finding, refusal
from outlast.doctor.inference import ValueKind, kind_of, kind_of_hint
from outlast.doctor.scopes import Scope
from outlast.doctor.sites import AddSite
from outlast.doctor.targets import bound_value
from outlast.errors import NotStorable
from outlast.events import context as words
from outlast.events.words import an
from outlast.functions import kinds
from outlast.functions.context.variables import Variables
from outlast.functions.encoding import Codec
from outlast.functions.functions import Functions, is_async
from outlast.functions.stashes import asks_for_upload
from outlast.source.meanings import UNKNOWN


def refused_argument(site: AddSite, codec: Codec) -> Finding | None:
    """The first reason why the arguments of a call cannot be stored."""
    positional, keywords = site.arguments
    if not isinstance(site.node, ast.Call):
        return None
    hidden = any(isinstance(one, ast.Starred) for one in positional) or any(one.arg is None for one in keywords)
    try:
        given = _bound(codec, positional, keywords, hidden=hidden)
    except TypeError as error:
        if hidden:
            return None
        names = [one.arg for one in keywords if one.arg]
        said = str(codec.refusals.unbindable(codec.signature, names, error)).partition(";")[0]
        sentence = f"{said}, and fails when it runs"
        return finding(Code.WRONG_ARGUMENTS, site.place, sentence, f"call it as its signature says: {codec.signature}")
    if not hidden and codec.dependencies is not None and (need := codec.dependencies.need(given)):
        return refusal(Code.CANNOT_TRAVEL, site.place, str(codec.refusals.about(*need)))
    for name, node in _flat(given):
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
    if is_literal or kind_of(node, scope).names or asks_for_upload(hint):  # it may have been stashed
        return None
    return kind_wanted(hint)


def kind_wanted(hint: Any) -> kinds.Kind | None:
    """The kind of things that cannot travel which an annotation asks for."""
    return _that_stays(kind_of_hint(hint)) or kinds.row_wanted(hint)


def _that_stays(kind: ValueKind) -> kinds.Kind | None:
    return kinds.kind_of_class(kind.cls) if kind.cls else kinds.kind_named(kind.names)


def _bound(codec: Codec, positional: list[ast.expr], keywords: list[ast.keyword], *, hidden: bool) -> Mapping[str, Any]:
    """The expressions of each argument that shows, by parameter. Raises TypeError for a call that does not fit."""
    shown = positional[: next((at for at, one in enumerate(positional) if isinstance(one, ast.Starred)), None)]
    return codec.bound(tuple(shown), {one.arg: one.value for one in keywords if one.arg}, partially=hidden)


def _flat(arguments: Mapping[str, Any]) -> Iterator[tuple[str, ast.expr]]:
    for name, value in arguments.items():
        inside = value if isinstance(value, tuple) else value.values() if isinstance(value, dict) else (value,)
        yield from ((name, one) for one in inside)


def _is_local_function(name: str, scope: Scope) -> bool:
    owner = scope.owner_of(name)
    return owner is not None and name in owner.local_functions


def _is_method(node: ast.Attribute, scope: Scope) -> bool:
    cls = kind_of(node.value, scope).cls
    return cls is not None and isinstance(inspect.getattr_static(cls, node.attr, None), FunctionType)


def refused_context(site: AddSite, path: str, function: Callable[..., Any], functions: Functions) -> Finding | None:
    """The first variable of the project that a task of `function` cannot do without, and cannot take along."""
    for variable, place in functions.reads(function).variables.items():
        name, why = _left(variable, functions.carrier.variables) if variable is not None else ("", "")
        if why:
            return refusal(Code.CANNOT_TRAVEL, site.place, words.read_by(path, name, place, why))
    return None


def _left(variable: ContextVar[Any], variables: Variables) -> tuple[str, str]:
    """How a variable is called, and why it does not come along; empty if it does, as far as can be told."""
    found = variables.of(variable)
    if found is not None:
        return found.path, _why_stays(found.hint) if found.is_own else ""
    return variable.name, words.HAS_NO_NAME if variables.has_no_name(variable) else ""


def _why_stays(hint: Any) -> str:
    """Why a value of that type cannot travel; empty if it can, as far as the type tells."""
    kind = kind_wanted(hint)
    if kind is not None:
        return words.holds(kind.what, kind.remedy)
    try:
        TypeAdapter(hint)
    except PydanticUserError:
        return words.holds(_shown(hint), "keep plain values in it")
    except Exception:  # noqa: BLE001 - an annotation that is no type: what it may hold is not known
        return ""
    return ""


def _shown(hint: Any) -> str:
    """The types that it may be, with articles."""
    types = [one for one in get_args(hint) or (hint,) if one is not NoneType]
    return " or ".join(an(one.__qualname__ if isinstance(one, type) else str(one)) for one in types)
