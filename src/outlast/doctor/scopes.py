"""The places in the project where code runs, and what the names in them stand for."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from outlast.doctor.project import Project, ProjectFile, statements_outside_of_functions
from outlast.source.meanings import UNKNOWN, Meaning, Names, imports, object_named
from outlast.source.sources import Sources
from outlast.source.syntax import NOBODY, FunctionNode, assignments, imported_names, leading_name


@dataclass(frozen=True, eq=False)
class Scope:
    """One function, or with `node` None what a module runs at its import.

    outer: the scope around it. cls: the class it is a method of, as far as its source says.
    """

    file: ProjectFile
    node: FunctionNode | None
    outer: Scope | None
    cls: ast.ClassDef | None
    names: Mapping[str, Any]
    sources: Sources

    @property
    def name(self) -> str:
        """What people call it."""
        return self.node.name if self.node else self.file.name

    @property
    def is_async(self) -> bool:
        """Whether it runs on an event loop."""
        return isinstance(self.node, ast.AsyncFunctionDef)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All that it runs itself."""
        roots = self.node.body if self.node else [self.file.source.tree]
        return tuple(inner for root in roots for inner in _with_inner(root))

    @cached_property
    def assignments(self) -> tuple[tuple[ast.expr | None, ast.expr], ...]:
        """Target and value of each, as far as one belongs to one, with what `with` statements enter."""
        entered = (one for node in self.nodes if isinstance(node, (ast.With, ast.AsyncWith)) for one in node.items)
        return (*assignments(self.nodes), *((item.optional_vars, item.context_expr) for item in entered))

    def place(self, node: ast.AST) -> tuple[str, int]:
        """File and line of something in it."""
        return self.file.source.file, getattr(node, "lineno", 0)

    def meaning(self, node: ast.expr) -> Meaning | None:
        """What an expression leads to in the imported program, where that does not depend on a call."""
        owner = self.owner_of(leading_name(node))
        return owner.body.meaning(node) if owner else None

    def value(self, node: ast.expr) -> Any:
        """The object that an expression gives in the imported program, or UNKNOWN."""
        found = self.meaning(node)
        if found is not None and found.exact:
            return found.value
        full_name = self.full_name(node)
        return object_named(full_name) if full_name else UNKNOWN

    def full_name(self, node: ast.expr) -> str:
        """`package.module.name` of an expression that leads there by import statements; else empty."""
        root, *behind = _dotted(node) or [""]
        owner = self.owner_of(root)
        if owner is None:
            return ""
        if root in owner.imports:
            return ".".join((owner.imports[root], *behind))
        is_defined = root in owner.names or root in owner.file.definitions
        is_builtin = owner.outer is None and not behind and not is_defined
        return f"builtins.{root}" if is_builtin else ""

    def owner_of(self, name: str) -> Scope | None:
        """The scope that gives `name` its meaning: this one, one around it, or the module."""
        if not name or self.outer is None or self.body.binds(name):
            return self if name else None
        return self.outer.owner_of(name)

    @cached_property
    def imports(self) -> Mapping[str, str]:
        """Full name by the name that an import statement in it has bound to it."""
        return dict(imported_names(self.nodes, self.file.package)) if self.node else self.file.imports

    @cached_property
    def body(self) -> Names:
        """What its names mean in the imported program."""
        return Names(self.node or NOBODY, self.names, {})

    @cached_property
    def local_functions(self) -> dict[str, FunctionNode]:
        """The functions that are made anew each time it runs."""
        inner = (node for statement in self.node.body for node in _with_inner(statement)) if self.node else ()
        return {node.name: node for node in inner if isinstance(node, FunctionNode)}

    @property
    def receiver(self) -> str:
        """The name of a method's first parameter; empty for other functions."""
        if self.cls is None or self.node is None or "staticmethod" in map(ast.unparse, self.node.decorator_list):
            return ""
        first = [*self.node.args.posonlyargs, *self.node.args.args][:1]
        return first[0].arg if first else ""

    def method(self, name: str) -> FunctionNode | None:
        """A method beside it in its class."""
        members = self.cls.body if self.cls else []
        return next((one for one in members if isinstance(one, FunctionNode) and one.name == name), None)


def scopes_of(project: Project, sources: Sources) -> list[Scope]:
    """Every place in the project where code runs."""
    tops = [Scope(file, None, None, None, _names_of(file), sources) for file in project.files.values()]
    return [scope for top in tops for scope in (top, *_inner_scopes(top.file.source.tree, top, None))]


def _names_of(file: ProjectFile) -> Mapping[str, Any]:
    """The globals of a module; of one that is not imported those that it would import and that are there already."""
    if file.module is not None:
        return vars(file.module)
    outside = list(statements_outside_of_functions(file.source.tree))
    return imports(outside, {"__package__": file.package})


def _inner_scopes(node: ast.AST, outer: Scope, cls: ast.ClassDef | None) -> Iterator[Scope]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FunctionNode):
            scope = replace(outer, node=child, outer=outer, cls=cls)
            yield scope
            yield from _inner_scopes(child, scope, None)
        else:
            yield from _inner_scopes(child, outer, child if isinstance(child, ast.ClassDef) else cls)


def _with_inner(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, FunctionNode):
        yield from statements_outside_of_functions(node)


def _dotted(node: ast.expr) -> list[str]:
    """The names of `a.b.c`; none for another expression."""
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return [*before, node.attr] if before else []
    return [node.id] if isinstance(node, ast.Name) else []
