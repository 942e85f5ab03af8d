"""What a module makes anew each time it is imported, so that each process has another one: keys, folders, databases."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from functools import cached_property
from types import FunctionType, ModuleType

from starlette.applications import Starlette

from outlast.source.meanings import Meaning
from outlast.source.sources import NOT_PYTHON, Source, Sources
from outlast.source.syntax import FunctionNode, assignments, called_name
from outlast.text import is_a

_KEYS = frozenset({"token_bytes", "token_hex", "token_urlsafe", "urandom", "generate_key"})
_FOLDERS = frozenset({"mkdtemp", "mkstemp", "TemporaryDirectory"})
_MAKERS = _KEYS | _FOLDERS
_WRAPPERS = frozenset({"Path", "str", "bytes", "decode", "encode", "hex", "Field", "Fernet", "SecretStr", "connect"})
"""Calls that make of such a thing nothing that could come from elsewhere."""

_MENTIONED = re.compile(rf"\b(?:{'|'.join(sorted(_MAKERS))})\b|:memory:")
_KEPT = re.compile(r"\b(?:exists|is_file|isfile|write\w*|dump|save\w*)\(")
_ENVIRONMENT = re.compile(r"\b(?:environ|getenv)\b")
_NOT_DATA = (bool, int, type, FunctionType, ModuleType, Starlette)
_Where = tuple[str, str, int]
"""The piece of source that makes it, its file and line."""


class Anew:
    """Looks once, when it is first asked: make a new one to look again."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def made(self, meaning: Meaning, user: str) -> _Where | None:
        """Where the import has made what a function named `user` reads; None for all that is the same elsewhere."""
        owner = type(meaning.owner)
        fields = (self._fields.get((cls, meaning.name)) for cls in owner.__mro__)
        where = self._values.get(id(meaning.value)) or next(filter(None, fields), None)
        if where is None or _is_given(meaning):
            return None
        is_scratch = any(one in where[0] for one in _FOLDERS) and not self._is_used_by_another(meaning.name, user)
        return None if is_scratch else where

    def _is_used_by_another(self, name: str, user: str) -> bool:
        sources = filter(None, map(self._sources.module, self._sources.own_modules()))
        users = (one.function for source in sources for one in source.users_of(name))
        return any(one is not None and one.name != user for one in users)

    @cached_property
    def _values(self) -> dict[int, _Where]:
        """By the identity of what the globals and classes of modules hold."""
        return {
            id(value): where
            for holder, name, where in self._found
            if (value := vars(holder).get(name)) is not None and not is_a(value, _NOT_DATA)
        }

    @cached_property
    def _fields(self) -> dict[tuple[type, str], _Where]:
        return {(holder, name): where for holder, name, where in self._found if is_a(holder, type)}

    @cached_property
    def _found(self) -> list[tuple[ModuleType | type, str, _Where]]:
        found: list[tuple[ModuleType | type, str, _Where]] = []
        for module in self._sources.own_modules():
            source = self._sources.module(module)
            if source is not None and _MENTIONED.search(source.text):
                self._sources.rest()
                found.extend(_made_in(module, source))
        return found


def _is_given(meaning: Meaning) -> bool:
    """Whether it was given from outside after all: by a variable, or to the fields of a pydantic model."""
    if type(meaning.value) is str and meaning.value in os.environ.values():
        return True
    return meaning.name in (getattr(type(meaning.owner), "model_fields", None) or ()) and meaning.name in getattr(
        meaning.owner, "model_fields_set", ()
    )


def _made_in(module: ModuleType, source: Source) -> Iterator[tuple[ModuleType | type, str, _Where]]:
    try:
        statements = source.tree.body
    except NOT_PYTHON:
        return
    known: set[str] = set()
    for statement in statements:
        if isinstance(statement, ast.ClassDef):
            cls = vars(module).get(statement.name)
            holder, inside = (cls, statement.body) if is_a(cls, type) else (module, [])
        else:
            holder, inside = module, [statement]
        for name, value in _assigned(inside):
            if _is_made(value) or (holder is module and _names(value) & known):
                known |= {name} if holder is module else set()
                yield holder, name, (ast.unparse(value), source.file, value.lineno)


def _assigned(statements: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Names and what is assigned to them at import, also under `if`, but for what is kept in a file then."""
    for statement in statements:
        if isinstance(statement, (FunctionNode, ast.ClassDef, ast.Try)):
            continue
        if isinstance(statement, ast.If) and _KEPT.search(ast.unparse(statement)):
            continue
        pairs = assignments(ast.walk(statement))
        yield from ((target.id, value) for target, value in pairs if isinstance(target, ast.Name))


def _names(value: ast.expr) -> set[str]:
    """The names that an expression makes something else of."""
    return {one.id for one in ast.walk(value) if isinstance(one, ast.Name)}


def _is_made(value: ast.expr) -> bool:
    calls = [one for one in ast.walk(value) if isinstance(one, ast.Call)]
    named = {called_name(one) for one in calls} | {
        called_name(one.value) for call in calls for one in call.keywords if one.arg == "default_factory"
    }
    if not named & _MAKERS and not any(_is_in_memory(one) for one in calls):
        return False
    is_choice = any(isinstance(one, (ast.BoolOp, ast.IfExp)) for one in ast.walk(value))
    is_sure = not is_choice and named <= _MAKERS | _WRAPPERS | {""}
    return is_sure or _ENVIRONMENT.search(ast.unparse(value)) is not None


def _is_in_memory(call: ast.Call) -> bool:
    first = call.args[0] if call.args else None
    return called_name(call) == "connect" and isinstance(first, ast.Constant) and first.value == ":memory:"
