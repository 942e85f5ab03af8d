"""The project's source code: which modules are its own, and the syntax tree of a function."""

from __future__ import annotations

import ast
import linecache
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_LIBRARIES = ("site-packages", "dist-packages")
_SETUP = frozenset({"asynccontextmanager", "contextmanager", "on_event"})


@dataclass(frozen=True)
class Source:
    """One parsed file."""

    file: str
    tree: ast.Module

    @cached_property
    def by_line(self) -> dict[tuple[str, int], FunctionNode]:
        """Every function by its name and first line, which is that of its first decorator."""
        nodes = (node for node in ast.walk(self.tree) if isinstance(node, FunctionNode))
        return {(node.name, _first_line(node)): node for node in nodes}

    @cached_property
    def functions(self) -> tuple[FunctionNode, ...]:
        """Its functions and methods, but for those that set an application up, such as a lifespan."""
        nodes = _outermost_functions(self.tree)
        return tuple(node for node in nodes if not _SETUP & set(map(_called, node.decorator_list)))

    @cached_property
    def called_at_import(self) -> frozenset[str]:
        """The names that it calls or decorates with at its import, such as a registry's `register`."""
        return frozenset(filter(None, map(_called, _calls_at_import(self.tree))))


def _first_line(node: FunctionNode) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _outermost_functions(node: ast.AST) -> Iterator[FunctionNode]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FunctionNode):
            yield child
        else:
            yield from _outermost_functions(child)


def _calls_at_import(node: ast.AST) -> Iterator[ast.expr]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FunctionNode):
            yield from child.decorator_list
            continue
        if isinstance(child, ast.ClassDef):
            yield from child.decorator_list
        if isinstance(child, ast.Call):
            yield child
        yield from _calls_at_import(child)


def _called(node: ast.expr) -> str:
    """The last name of what is called: `register` in `registry.register("x")` and in `registry.register`."""
    target = node.func if isinstance(node, ast.Call) else node
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")


class Sources:
    """Finds and parses source files, each once."""

    def __init__(self) -> None:
        paths = sysconfig.get_paths()
        self._outside = {Path(paths["stdlib"]), Path(paths["platstdlib"]), Path(__file__).parent}
        self._own: dict[str, bool] = {}
        self._parsed: dict[str, Source | None] = {}

    def function(self, function: object) -> tuple[Source, FunctionNode] | None:
        """The source of a function of the project; None for others and where there is no source."""
        if not isinstance(function, FunctionType) or not self.is_own_file(function.__code__.co_filename):
            return None
        code = function.__code__
        source = self.file(code.co_filename)
        node = source.by_line.get((code.co_name, code.co_firstlineno)) if source else None
        return (source, node) if source and node else None

    def module(self, module: ModuleType) -> Source | None:
        """The source of a module of the project."""
        return self.file(str(module.__file__)) if self.is_own_module(module) else None

    def own_modules(self) -> list[ModuleType]:
        """The modules of the project that are imported now."""
        return [module for module in list(sys.modules.values()) if self.is_own_module(module)]

    def is_own_module(self, module: object) -> bool:
        """Whether `module` is of the project: not in the standard library, not installed, not outlast's."""
        file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
        return isinstance(file, str) and self.is_own_file(file)

    def is_own_class(self, cls: type) -> bool:
        """Whether `cls` was written in the project."""
        return self.is_own_module(sys.modules.get(cls.__module__))

    def is_own_file(self, file: str) -> bool:
        """Whether `file` is of the project."""
        if file not in self._own:
            self._own[file] = self._belongs(Path(file))
        return self._own[file]

    def file(self, file: str) -> Source | None:
        """The source in `file`; None where there is none, or it is not Python."""
        if file not in self._parsed:
            self._parsed[file] = _parse(file)
        return self._parsed[file]

    def _belongs(self, path: Path) -> bool:
        if path.suffix != ".py" or any(name in path.parts for name in _LIBRARIES):
            return False
        return not any(path.is_relative_to(folder) for folder in self._outside)


def _parse(file: str) -> Source | None:
    lines = linecache.getlines(file)
    try:
        return Source(file, ast.parse("".join(lines))) if lines else None
    except SyntaxError:  # it was edited since it was imported
        return None
